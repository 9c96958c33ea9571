// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Connection tracking at the endpoints' interfaces. Each end of a connection between two pods tracks it in its own
// direction, so that it makes no difference whether they share a node.
#pragma once

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ct_entry.h"
#include "datapath_abi.h"
#include "drop.h"
#include "events.h"
#include "flow.h"
#include "packet.h"
#include "subprogram.h"

static __always_inline void ct_take(struct flow *flow, const struct dp_ct_entry *entry, int is_reply) {
    struct flow_connection *connection = &flow->connection;

    connection->source_identity = entry->source_identity;
    connection->policy_revision = entry->policy_revision;
    connection->rev_nat = entry->rev_nat;
    connection->proxy_port = entry->proxy_port;
    connection->flags = entry->flags;
    connection->is_reply = is_reply;
}

static __always_inline __u8 ct_opposite(enum dp_ct_direction direction) {
    return direction == DP_CT_EGRESS ? DP_CT_INGRESS : DP_CT_EGRESS;
}

// Says which direction is looked up first; the other one follows if that fails. A caller mostly has the higher port.
// When two connections are each other's reverse, packets of both directions find the one that the higher port opened.
static __always_inline int ct_seems_reply(const struct dp_ct_key *key) {
    return bpf_ntohs(key->source_port) <= bpf_ntohs(key->destination_port);
}

// Finds the packet's connection at an endpoint's interface. The verdict goes into the event, the rest into
// `connection`. A SYN on a closed connection opens a new one, because its ports are in use again.
GLOBAL_SUBPROGRAM int ct_lookup(enum dp_ct_direction direction) {
    struct flow *flow = flow_lookup();

    if (!flow)
        return DP_CT_NEW;

    struct packet *packet = &flow->packet;

    __u32 now = flow_now(flow);
    struct dp_ct_entry *entry;
    int is_reply = ct_seems_reply(&flow->tuple);

    packet->event.connection = DP_CT_NEW;
    if (flow->flags & FLOW_UNRELATED)
        return DP_CT_NEW;

    struct dp_ct_key key = flow->tuple;

    if (is_reply)
        ct_key_turn(&key);
    key.direction = is_reply ? ct_opposite(direction) : direction;
    entry = ct_entry(&key, now);
    if (!entry) {
        is_reply = !is_reply;
        ct_key_turn(&key);
        key.direction = is_reply ? ct_opposite(direction) : direction;
        entry = ct_entry(&key, now);
    }
    if (!entry)
        return DP_CT_NEW;
    if (flow->flags & FLOW_ICMP_ERROR) {
        packet->event.connection = DP_CT_RELATED;
    } else {
        if (entry->state == DP_CT_STATE_CLOSED && ct_is_opening_segment(packet))
            return DP_CT_NEW;
        packet->event.connection = is_reply ? DP_CT_REPLY : DP_CT_ESTABLISHED;
        ct_follow(entry, packet, flow, direction, is_reply, now);
        // The service that the caller used may have been deleted and created again since.
        if (!is_reply && entry->rev_nat != flow->connection.rev_nat)
            entry->rev_nat = flow->connection.rev_nat;
    }
    ct_take(flow, entry, is_reply);
    return packet->event.connection;
}

// Enters the packet's connection with the values in `connection`, if it is new. Returns 0 or a drop reason. An ICMP
// error opens no connection.
GLOBAL_SUBPROGRAM int ct_admit(enum dp_ct_direction direction) {
    struct flow *flow = flow_lookup();

    if (!flow)
        return DP_DROP_CT_INSERTION_FAILED;

    struct packet *packet = &flow->packet;

    const struct flow_connection *connection = &flow->connection;

    if (packet->event.connection != DP_CT_NEW || flow->flags & FLOW_ICMP_ERROR)
        return 0;

    struct dp_ct_key key = flow->tuple;
    struct dp_ct_entry entry = {
        .source_identity = packet->event.source_identity,
        .rev_nat = connection->rev_nat,
        .proxy_port = connection->proxy_port,
        .policy_revision = connection->policy_revision,
        .flags = connection->flags & (DP_CT_PROXY | DP_CT_LOOPBACK),
        .state = DP_CT_STATE_OPENING,
    };

    key.direction = direction;
    ct_follow(&entry, packet, flow, direction, 0, flow_now(flow));
    return ct_insert(&key, &entry) ? DP_DROP_CT_INSERTION_FAILED : 0;
}
