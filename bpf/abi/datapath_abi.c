#include "datapath_abi.h"
