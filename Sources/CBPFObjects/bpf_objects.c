#include "bpf_objects.h"
