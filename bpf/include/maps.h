// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// The maps. They are pinned by name, so that all objects share them and they outlive the agent.
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, struct dp_endpoint_key);
    __type(value, struct dp_endpoint);
    __uint(max_entries, DP_MAX_ENDPOINTS);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_endpoints SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, __u32);
    __type(value, struct dp_interface);
    __uint(max_entries, DP_MAX_ENDPOINTS);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_interfaces SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __type(key, struct dp_ipcache_key);
    __type(value, struct dp_ipcache_entry);
    __uint(max_entries, DP_MAX_IPCACHE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_ipcache SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_HASH);
    __type(key, struct dp_metrics_key);
    __type(value, struct dp_metrics);
    __uint(max_entries, DP_MAX_METRICS);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_metrics SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, __u32);
    __type(value, struct dp_metrics);
    __uint(max_entries, DP_MAX_FORWARDED);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_forwarded SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, __u32);
    __type(value, struct dp_config);
    __uint(max_entries, 1);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_config SEC(".maps");

// A number that the agent raises after every change that it makes to the maps: see flow_cache.h.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, __u32);
    __type(value, __u32);
    __uint(max_entries, 1);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_revision SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, DP_EVENTS_BYTES);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_events SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, __u32);
    __type(value, struct dp_device);
    __uint(max_entries, DP_MAX_DEVICES);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_devices SEC(".maps");
