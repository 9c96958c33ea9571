// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// A pod's egress rate. Every packet is given its earliest departure time, and the fq queueing discipline of the node's
// device holds it until then. This is done where the packet finally leaves, because both a redirect and the stack reset
// the time.
#pragma once

#include <linux/bpf.h>
#include <linux/stddef.h>
#include <bpf/bpf_helpers.h>

#include "config.h"
#include "datapath_abi.h"

#define NANOSECONDS_PER_SECOND 1000000000ULL
// The furthest into the future that a departure may lie. A packet that would have to wait longer is dropped. fq itself
// drops packets that are more than ten seconds ahead.
#define BANDWIDTH_HORIZON_NS (2 * NANOSECONDS_PER_SECOND)

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __type(key, struct dp_address);
    __type(value, struct dp_bandwidth);
    __uint(max_entries, DP_MAX_ENDPOINTS);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_bandwidth SEC(".maps");

static __always_inline int config_paces_pods(const struct dp_config *config) {
    return config->flags & DP_CONFIG_BANDWIDTH;
}

// Returns 0, or the reason to drop the packet. Two processors that send for one pod at the same time may let a packet
// leave too early; the next packet makes up for it.
static __noinline int bandwidth_pace(struct __sk_buff *skb, __be32 source) {
    struct dp_address key = {.word[0] = source};
    struct dp_bandwidth *limit = bpf_map_lookup_elem(&dp_bandwidth, &key);
    __u64 length = skb->wire_len;
    __u64 now, departure, next;

    if (!limit || !limit->bytes_per_second)
        return 0;
    now = bpf_ktime_get_ns();
    departure = skb->tstamp;
    // The field holds no departure time: it is zero, in the past, or a wall-clock time.
    if (departure < now || departure > now + BANDWIDTH_HORIZON_NS)
        departure = now;
    next = limit->next_ns + length * NANOSECONDS_PER_SECOND / limit->bytes_per_second;
    if (next <= departure) {
        limit->next_ns = departure;
        return 0;
    }
    if (next - now >= BANDWIDTH_HORIZON_NS)
        return DP_DROP_BANDWIDTH_EXCEEDED;
    limit->next_ns = next;
    skb->tstamp = next;
    return 0;
}
