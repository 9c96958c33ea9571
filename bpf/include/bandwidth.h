// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// A pod's egress rate: every packet is told when it may leave (earliest departure time), and the fq discipline of the
// node's device holds it until then. Where the packet leaves for good, because a redirect and the stack both forget the
// time.
#pragma once

#include <linux/bpf.h>
#include <linux/stddef.h>
#include <bpf/bpf_helpers.h>

#include "config.h"
#include "datapath_abi.h"

#define NANOSECONDS_PER_SECOND 1000000000ULL
// As far ahead as a departure may lie; what would have to wait longer is dropped. fq gives up packets beyond ten
// seconds.
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

// 0, or the reason to drop the packet. Processors that send for one pod at once may let a packet go too early: the next
// one makes up for it.
static __noinline int bandwidth_pace(struct __sk_buff *skb, __be32 source) {
    struct dp_address key = {.word[0] = source};
    struct dp_bandwidth *limit = bpf_map_lookup_elem(&dp_bandwidth, &key);
    __u64 length = skb->wire_len;
    __u64 now, departure, next;

    if (!limit || !limit->bytes_per_second)
        return 0;
    now = bpf_ktime_get_ns();
    departure = skb->tstamp;
    // Not a departure time: none, one that is past, or the wall clock's.
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
