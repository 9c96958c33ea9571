// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Packet and byte counts by reason, direction and point. They are kept whether or not anybody traces.
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"
#include "maps.h"

static __noinline int metrics_count(__s32 reason, __u8 direction, __u8 point, __u32 bytes) {
    struct dp_metrics_key key = {.reason = reason, .direction = direction, .point = point};
    struct dp_metrics *metrics = bpf_map_lookup_elem(&dp_metrics, &key);

    if (metrics) {
        metrics->packets += 1;
        metrics->bytes += bytes;
        return 0;
    }
    struct dp_metrics first = {.packets = 1, .bytes = bytes};
    return bpf_map_update_elem(&dp_metrics, &key, &first, BPF_ANY);
}

static __always_inline void metrics_forwarded_at(__u32 index, __u32 bytes) {
    struct dp_metrics *metrics = bpf_map_lookup_elem(&dp_forwarded, &index);

    if (!metrics)
        return;
    metrics->packets += 1;
    metrics->bytes += bytes;
}

// Every packet is counted here, most of them twice. An array is used because it needs no hashing.
static __always_inline void metrics_forwarded(__u8 direction, __u8 point, __u32 bytes) {
    metrics_forwarded_at(direction * DP_FORWARDED_POINTS + point, bytes);
}

// Counts a packet that the flow cache serves, in place of metrics_forwarded and at the same cost.
static __always_inline void metrics_cached(__u8 direction, __u8 point, __u32 bytes) {
    metrics_forwarded_at(DP_FORWARDED_CACHED + direction * DP_FORWARDED_POINTS + point, bytes);
}
