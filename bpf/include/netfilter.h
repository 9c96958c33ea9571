// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Flows that the node's netfilter translates, because kube-proxy serves instead of this datapath. A pod's packet that
// the stack sends towards another pod was translated there. Its answers must pass the stack again, or the caller would
// get an answer from a backend that it never called.
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "config.h"
#include "ct_entry.h"
#include "datapath_abi.h"
#include "flow.h"
#include "l4.h"
#include "lookup.h"
#include "packet.h"

static __always_inline int netfilter_serves(const struct dp_config *config) {
    return !(config->flags & DP_CONFIG_SERVICES);
}

// Finds the flow and updates it. A packet that comes out of the stack opens it. Returns 1 if there is a flow.
GLOBAL_SUBPROGRAM int netfilter_follow(int is_reply) {
    struct flow *flow = flow_lookup();

    if (!flow)
        return 0;

    struct packet *packet = &flow->packet;
    __u32 now = flow_now(flow);
    struct dp_ct_entry *known;

    if (flow->flags & FLOW_UNRELATED)
        return 0;

    struct dp_ct_key key = flow->tuple;

    if (is_reply)
        ct_key_turn(&key);
    key.direction = DP_CT_NETFILTER;
    known = ct_entry(&key, now);
    if (known && !(known->state == DP_CT_STATE_CLOSED && ct_is_opening_segment(packet))) {
        if (!(flow->flags & FLOW_ICMP_ERROR))
            ct_follow(known, packet, flow, DP_CT_NETFILTER, is_reply, now);
        return 1;
    }
    if (is_reply || flow->flags & FLOW_ICMP_ERROR)
        return 0;

    struct dp_ct_entry entry = {
        .source_identity = packet->event.source_identity,
        .state = DP_CT_STATE_OPENING,
    };

    ct_follow(&entry, packet, flow, DP_CT_NETFILTER, 0, now);
    return !ct_insert(&key, &entry);
}

// Remembers, for a packet that came out of the stack, that netfilter translates its flow. This concerns only packets
// from a local pod to a pod.
static __always_inline void netfilter_note(
    struct __sk_buff *skb, __be32 source, const struct dp_endpoint *destination,
    int to_overlay) {
    const struct dp_endpoint *sender = endpoint_lookup_ipv4(source);

    if (!sender || sender->flags & DP_ENDPOINT_HOST)
        return;
    if (destination ? destination->flags & DP_ENDPOINT_HOST : !to_overlay)
        return;

    struct flow *flow = flow_begin();

    if (flow && !l4_parse(skb))
        netfilter_follow(0);
}

// Says whether a packet that arrived for a local pod answers such a flow.
static __always_inline int netfilter_answers(struct __sk_buff *skb) {
    struct flow *flow = flow_begin();

    return flow && !l4_parse(skb) && netfilter_follow(1);
}
