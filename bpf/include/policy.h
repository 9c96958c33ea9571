// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Network policy at an endpoint's interface. A connection is judged when it is new. It is judged again only after the
// endpoint's policy forbids something that it did not forbid before: the agent then raises the interface's policy
// revision.
#pragma once

#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ct.h"
#include "datapath_abi.h"
#include "drop.h"
#include "flow.h"
#include "icmp.h"
#include "l4.h"
#include "packet.h"
#include "policy_maps.h"
#include "trace.h"

// The rank of the strongest entry so far. A rule that denies wins over one that allows, that one over a rule that needs
// the proxy, and all of them over the default.
#define POLICY_RANK_NONE 0
#define POLICY_RANK_DEFAULT 1
#define POLICY_RANK_REDIRECT 2
#define POLICY_RANK_ALLOW 3
#define POLICY_RANK_DENY 4

struct policy_decision {
    __u32 rule;
    __u16 rank;
    __u16 proxy_port;
};

static __always_inline void policy_consider(struct policy_decision *decision, const struct dp_policy_key *key) {
    const struct dp_policy_entry *entry = bpf_map_lookup_elem(&dp_policy, key);

    if (!entry)
        return;

    __u16 rank = entry->flags & DP_POLICY_DENY           ? POLICY_RANK_DENY
                 : entry->flags & DP_POLICY_DEFAULT_DENY ? POLICY_RANK_DEFAULT
                 : entry->flags & DP_POLICY_REDIRECT     ? POLICY_RANK_REDIRECT
                                                         : POLICY_RANK_ALLOW;

    if (rank <= decision->rank)
        return;
    decision->rank = rank;
    decision->rule = entry->rule;
    decision->proxy_port = entry->proxy_port;
}

// Makes at most four lookups, from the most specific to the least, whatever the number of entries. It changes `key`.
static __noinline int policy_decide(struct dp_policy_key *key, struct policy_decision *decision) {
    __u32 identity = key->identity;

    if (key->port_class) {
        policy_consider(decision, key);
        key->identity = 0;
        policy_consider(decision, key);
        key->port_class = 0;
        key->identity = identity;
    }
    policy_consider(decision, key);
    key->identity = 0;
    policy_consider(decision, key);
    return 0;
}

// Returns the class of the called port, or 0 for a protocol without ports: only rules about all ports apply to it.
static __always_inline __u16 policy_port_class(__u8 protocol, __u16 port) {
    const struct dp_port_chunk *chunk;
    __u32 index = port / DP_PORTS_IN_CHUNK;

    switch (protocol) {
    case IPPROTO_TCP:
        index += DP_PORT_SLOT_TCP * DP_PORT_CHUNKS;
        break;
    case IPPROTO_UDP:
        index += DP_PORT_SLOT_UDP * DP_PORT_CHUNKS;
        break;
    case IPPROTO_SCTP:
        index += DP_PORT_SLOT_SCTP * DP_PORT_CHUNKS;
        break;
    case IPPROTO_ICMP:
        index += DP_PORT_SLOT_ICMP * DP_PORT_CHUNKS;
        break;
    default:
        return 0;
    }
    chunk = bpf_map_lookup_elem(&dp_port_classes, &index);
    return chunk ? chunk->port_class[port % DP_PORTS_IN_CHUNK] : 0;
}

// Returns the port that the connection was made to, which is the source port of an answer.
static __always_inline __u16 policy_called_port(
    const struct packet *packet, const struct flow *flow, int is_reply) {
    if (packet->event.protocol == IPPROTO_ICMP)
        return is_reply && packet->event.icmp_type == ICMP_ECHOREPLY ? ICMP_ECHO : packet->event.icmp_type;
    return bpf_ntohs(is_reply ? flow->tuple.source_port : flow->tuple.destination_port);
}

static __always_inline int policy_reason(const struct policy_decision *decision, enum dp_direction direction) {
    if (decision->rank == POLICY_RANK_DENY)
        return DP_DROP_POLICY_DENY_RULE;
    if (decision->rank >= POLICY_RANK_REDIRECT)
        return 0;
    return direction == DP_INGRESS ? DP_DROP_POLICY_DENIED_INGRESS : DP_DROP_POLICY_DENIED_EGRESS;
}

// Judges the packet's connection for an endpoint, if a policy selects it. `flags` are those of its interface, `peer` is
// the identity at the other end, `direction` that of the packet. Returns 0 or a drop reason; `event.rule` and
// `connection` say what was decided.
GLOBAL_SUBPROGRAM int policy_judge(__u32 endpoint_id, __u32 flags, enum dp_direction direction, __u32 peer) {
    struct flow *flow = flow_lookup();

    if (!flow)
        return DP_DROP_POLICY_DENIED_INGRESS;

    struct packet *packet = &flow->packet;
    struct flow_connection *connection = &flow->connection;
    int is_reply = packet->event.connection == DP_CT_REPLY;

    if (is_reply)
        direction = direction == DP_INGRESS ? DP_EGRESS : DP_INGRESS;
    if (!(flags & (direction == DP_INGRESS ? DP_INTERFACE_POLICY_INGRESS : DP_INTERFACE_POLICY_EGRESS)))
        return 0;

    struct policy_decision decision = {};
    struct dp_policy_key key = {
        .endpoint_id = endpoint_id,
        .direction = direction,
        .identity = peer,
        .port_class = policy_port_class(packet->event.protocol, policy_called_port(packet, flow, is_reply)),
    };

    policy_decide(&key, &decision);
    packet->event.rule = decision.rule;
    if (decision.rank == POLICY_RANK_REDIRECT) {
        // The proxy has not read the beginning of this connection, so it cannot go on through the proxy.
        if (packet->event.connection != DP_CT_NEW && !(connection->flags & DP_CT_PROXY))
            decision.rank = POLICY_RANK_DEFAULT;
        connection->flags |= DP_CT_PROXY;
        connection->proxy_port = decision.proxy_port;
    }
    return policy_reason(&decision, direction);
}

// Notes that the connection may stay under the present policy.
static __noinline int policy_approve(
    const struct packet *packet, struct flow *flow, enum dp_direction direction) {
    struct dp_ct_key key = flow->tuple;
    struct dp_ct_entry *entry;

    key.direction = direction == DP_EGRESS ? DP_CT_EGRESS : DP_CT_INGRESS;
    if (packet->event.connection == DP_CT_REPLY) {
        ct_key_turn(&key);
        key.direction = direction == DP_EGRESS ? DP_CT_INGRESS : DP_CT_EGRESS;
    }
    entry = ct_entry(&key, flow_now(flow));
    if (entry)
        entry->policy_revision = flow->connection.policy_revision;
    return 0;
}

// Applies the policies of the interface's endpoint to the packet, after conntrack and before a new connection is
// entered. Returns TC_ACT_OK, or the verdict of a packet that was dropped.
static __always_inline int policy_enforce(
    struct __sk_buff *skb, struct packet *packet, struct flow *flow, const struct dp_config *config,
    const struct dp_interface *interface, enum dp_direction direction, __u32 peer) {
    struct flow_connection *connection = &flow->connection;
    __u8 known = packet->event.connection;

    // An ICMP error may pass if the connection that it is about may.
    if (known == DP_CT_RELATED)
        return TC_ACT_OK;
    if (known != DP_CT_NEW && connection->policy_revision == interface->policy_revision)
        return TC_ACT_OK;
    connection->policy_revision = interface->policy_revision;

    int refused = policy_judge(interface->endpoint_id, interface->flags, direction, peer);

    if (refused)
        return DROP(skb, packet, refused);
    if (known != DP_CT_NEW)
        policy_approve(packet, flow, direction);
    if (packet->event.rule) {
        trace(skb, packet, config, DP_POINT_POLICY_VERDICT);
        // Later events of this packet do not stem from the rule.
        packet->event.rule = 0;
    }
    return TC_ACT_OK;
}
