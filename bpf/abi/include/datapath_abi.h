// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// What the BPF programs and the agent agree on: map keys and values, events, numbers.
//
// The rules: fields have fixed widths, there is no implicit padding (every size is asserted), and explicit padding is
// zero. Addresses are in network byte order; an IPv4 address is in the first word and the other words are zero. Every
// other number is in host byte order unless its comment says otherwise. Numbers are append-only: a published code is
// never given another meaning.
#pragma once

#include <linux/types.h>

#include "abi_connections.h"
#include "abi_devices.h"
#include "abi_endpoints.h"
#include "abi_events.h"
#include "abi_names.h"
#include "abi_numbers.h"
#include "abi_policy.h"
#include "abi_services.h"
