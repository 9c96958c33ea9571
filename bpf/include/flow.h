// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// What a packet is part of: its tuple, and the connection that conntrack found. Too wide for the stack beside the packet's event.
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"

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
};

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
        __builtin_memset(flow, 0, sizeof(*flow));
    return flow;
}
