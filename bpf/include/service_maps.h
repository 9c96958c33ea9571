// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// The maps of services: frontends, backends, the translation back, and which client stays with which backend.
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, struct dp_service_key);
    __type(value, struct dp_service);
    __uint(max_entries, DP_MAX_SERVICES);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_services SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, __u32);
    __type(value, struct dp_backend);
    __uint(max_entries, DP_MAX_BACKENDS);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_backends SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, __u32);
    __type(value, struct dp_revnat);
    __uint(max_entries, DP_MAX_REVNAT);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_revnat SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, struct dp_maglev_key);
    __type(value, struct dp_maglev_part);
    __uint(max_entries, DP_MAX_MAGLEV);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_maglev SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __type(key, struct dp_affinity_key);
    __type(value, struct dp_affinity);
    __uint(max_entries, DP_MAX_AFFINITY);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_affinity SEC(".maps");
