// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// The maps with the policies' decisions about new connections.
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, struct dp_policy_key);
    __type(value, struct dp_policy_entry);
    __uint(max_entries, DP_MAX_POLICY);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_policy SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, __u32);
    __type(value, struct dp_port_chunk);
    __uint(max_entries, DP_MAX_PORT_CLASSES);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_port_classes SEC(".maps");
