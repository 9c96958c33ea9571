// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// What a packet is part of: its tuple, and the connection that conntrack found. Too wide for the stack beside the
// packet's event.
#pragma once

#include <linux/bpf.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"
#include "packet.h"

// The packet is an ICMP error, and `tuple` is that of the packet it is about, turned round: it travels like a reply.
#define FLOW_ICMP_ERROR 1
// The fields of `tuple` could not be read from an ICMP error: no connection is its own.
#define FLOW_UNRELATED 2

// What conntrack found. The verdict is in the event (`event.connection`), so that it is reported.
struct flow_connection {
    __u32 source_identity;
    __u32 policy_revision;
    __u16 rev_nat;
    __u16 proxy_port;
    __u8 flags;
    // The packet goes the way of the connection's replies.
    __u8 is_reply;
    __u8 pad[2];
};

struct flow {
    // As the packet is at the moment, after whatever translation it went through; filled by l4_parse.
    struct dp_ct_key tuple;
    struct flow_connection connection;
    __u16 flags;
    __u8 pad[6];
    // Outlives the packet: see flow_now.
    __u64 clock_jiffies;
    __u32 clock_seconds;
    // Of a packet that is handed on to its endpoint, what is known of it: see deliver.h.
    struct packet packet;
};

#define FLOW_HEAD_BYTES offsetof(struct flow, clock_jiffies)

// The object's own. A program is not interrupted by another packet of its processor.
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, __u32);
    __type(value, struct flow);
    __uint(max_entries, 1);
} dp_flow SEC(".maps");

// The packet's, as it is. Never NULL; the verifier does not know.
static __always_inline struct flow *flow_lookup(void) {
    __u32 zero = 0;

    return bpf_map_lookup_elem(&dp_flow, &zero);
}

// Empty.
static __always_inline struct flow *flow_begin(void) {
    struct flow *flow = flow_lookup();

    if (flow)
        __builtin_memset(flow, 0, FLOW_HEAD_BYTES);
    return flow;
}

// CLOCK_MONOTONIC, seconds. The clock is read once a tick, not with every packet.
static __always_inline __u32 flow_now(struct flow *flow) {
    __u64 jiffies = bpf_jiffies64();

    if (flow->clock_jiffies != jiffies) {
        flow->clock_jiffies = jiffies;
        flow->clock_seconds = bpf_ktime_get_ns() / 1000000000;
    }
    return flow->clock_seconds;
}
