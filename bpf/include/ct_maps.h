// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// The connections. TCP has its own table, so that a flood of datagrams evicts none of its long-lived entries.
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __type(key, struct dp_ct_key);
    __type(value, struct dp_ct_entry);
    __uint(max_entries, DP_MAX_CT_TCP);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_ct_tcp SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __type(key, struct dp_ct_key);
    __type(value, struct dp_ct_entry);
    __uint(max_entries, DP_MAX_CT_ANY);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_ct_any SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __type(key, struct dp_fragment_key);
    __type(value, struct dp_fragment_ports);
    __uint(max_entries, DP_MAX_FRAGMENTS);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_fragments SEC(".maps");
