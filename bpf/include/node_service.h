// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Services for callers outside of the cluster: NodePort, external and load-balancer addresses.
//
// A call arrives at a node device and goes on to a backend, by the node's own routes. If the backend is a pod of this
// node, the call keeps the caller's address. If it is on another node, the call takes this node's address, so that the
// answer returns here. Answers leave by a node device under the frontend's address.
#pragma once

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ct.h"
#include "datapath_abi.h"
#include "drop.h"
#include "flow.h"
#include "l4.h"
#include "lookup.h"
#include "masquerade.h"
#include "nat.h"
#include "node_flow.h"
#include "packet.h"
#include "service.h"
#include "service_select.h"
#include "unreachable.h"

// How a packet that leaves relates to the calls that the node translated.
enum node_service_way {
    NODE_SERVICE_NONE = 0,
    // The packet goes from a caller to a backend.
    NODE_SERVICE_CALL = 1,
    // The packet goes from a backend to a caller.
    NODE_SERVICE_REPLY = 2,
    // The packet goes from a caller to a backend that answers directly.
    NODE_SERVICE_DIRECT = 3,
};

// Says whether the packet may be a call. This is certain only if its ports are at hand, and then `key` has the
// frontend's scope.
static __always_inline int node_service_is_called(
    struct __sk_buff *skb, const struct packet *packet, struct dp_service_key *key) {
    __be16 ports[2];

    if (packet->event.protocol == IPPROTO_ICMP)
        return packet->l4_offset != 0;
    if (packet->event.protocol != IPPROTO_TCP && packet->event.protocol != IPPROTO_UDP)
        return 0;
    if (!packet->l4_offset)
        return 1;
    if (bpf_skb_load_bytes(skb, packet->l4_offset, ports, sizeof(ports)))
        return 0;
    key->address = packet->event.destination;
    key->port = ports[1];
    key->protocol = packet->event.protocol;
    key->family = DP_FAMILY_IPV4;
    return service_lookup_outside(key) != NULL;
}

// Refuses a call through the device that it came by.
static __always_inline int node_service_refuse(struct __sk_buff *skb) {
    return unreachable_build(skb) ? TC_ACT_SHOT : bpf_redirect(skb->ifindex, 0);
}

// At the ingress of a node device: sends a call to a backend, and passes everything else untouched.
GLOBAL_SUBPROGRAM int node_service_ingress(struct __sk_buff *skb) {
    struct flow *flow = flow_lookup();

    if (!flow)
        return TC_ACT_OK;

    struct packet *packet = &flow->packet;
    struct dp_service_key key = {};
    int refused;

    if (!node_service_is_called(skb, packet, &key))
        return TC_ACT_OK;
    flow = flow_begin();
    if (!flow || l4_parse(skb))
        return TC_ACT_OK;
    packet->event.source_identity = identity_of_ipv4(packet->event.source.word[0]);
    refused = service_translate(skb, 1);
    if (!refused && flow->connection.rev_nat && !(flow->flags & FLOW_ICMP_ERROR))
        refused = node_flow_remember(packet, flow);
    if (!refused)
        return TC_ACT_OK;
    DROP_RECORD(skb, packet, refused);
    // With externalTrafficPolicy: Local, other nodes may have backends. kube-proxy gives no answer then, and neither do
    // we.
    if (refused != DP_DROP_NO_SERVICE_BACKEND || key.scope || !packet->l4_offset)
        return TC_ACT_SHOT;
    return node_service_refuse(skb);
}

// Finds the call that a packet belongs to. An ICMP error belongs to the call of the packet that it quotes, and travels
// like a reply to it.
static __noinline int node_service_find(struct packet *packet, struct flow *flow) {
    struct dp_ct_key key = flow->tuple;
    int way = NODE_SERVICE_CALL;
    __u32 now = flow_now(flow);
    struct dp_ct_entry *entry;

    if (flow->flags & FLOW_UNRELATED)
        return NODE_SERVICE_NONE;
    key.direction = DP_CT_NODE;
    entry = ct_entry(&key, now);
    if (!entry) {
        way = NODE_SERVICE_REPLY;
        ct_key_turn(&key);
        entry = ct_entry(&key, now);
    }
    if (!entry)
        return NODE_SERVICE_NONE;
    flow->connection.rev_nat = entry->rev_nat;
    flow->connection.is_reply = way == NODE_SERVICE_REPLY;
    if (flow->connection.is_reply && !(flow->flags & FLOW_ICMP_ERROR))
        ct_follow(entry, packet, flow, DP_CT_NODE, 1, now);
    return way == NODE_SERVICE_CALL && entry->flags & DP_CT_DIRECT ? NODE_SERVICE_DIRECT : way;
}

// Handles a packet that leaves towards another node or the outside. An answer takes the frontend's address. A call is
// left for masquerade_leave. The ports in the event are void after this.
//
// - Returns: enum node_service_way, or a drop reason.
GLOBAL_SUBPROGRAM int node_service_egress(struct __sk_buff *skb) {
    struct flow *flow = flow_begin();
    int refused = 0;
    int way;

    if (!flow || l4_parse(skb))
        return NODE_SERVICE_NONE;

    struct packet *packet = &flow->packet;

    way = node_service_find(packet, flow);
    if (way == NODE_SERVICE_REPLY)
        refused = service_reverse(skb, 0);
    if (way != NODE_SERVICE_NONE)
        packet->event.flags &= ~DP_EVENT_L4;
    return refused ? refused : way;
}
