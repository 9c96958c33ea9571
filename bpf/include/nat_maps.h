// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// The maps of address translation. They are pinned by name, so that flows outlive the agent and its programs.
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __type(key, struct dp_nat_key);
    __type(value, struct dp_nat_entry);
    __uint(max_entries, DP_MAX_NAT);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_nat SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __type(key, struct dp_nat_fragment_key);
    __type(value, struct dp_address);
    __uint(max_entries, DP_MAX_NAT_FRAGMENTS);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_nat_fragment SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __type(key, struct dp_ipcache_key);
    __type(value, __u32);
    __uint(max_entries, DP_MAX_NAT_EXCLUDE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_nat_exclude SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, __u32);
    __type(value, struct dp_nat_config);
    __uint(max_entries, 1);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_nat_config SEC(".maps");
