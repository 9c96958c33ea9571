// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Entries of the conntrack tables: finding valid ones, inserting them, and updating them with each packet.
#pragma once

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/stddef.h>
#include <bpf/bpf_helpers.h>

#include "ct_maps.h"
#include "datapath_abi.h"
#include "events.h"
#include "flow.h"
#include "packet.h"

static __always_inline __u32 ct_seconds(__u8 protocol, __u8 state, __u8 direction, __u8 flags) {
    if (protocol != IPPROTO_TCP)
        return DP_CT_ANY_SECONDS;
    if (state == DP_CT_STATE_OPENING)
        return DP_CT_OPENING_SECONDS;
    if (state == DP_CT_STATE_CLOSING && (direction == DP_CT_SERVICE || flags & DP_CT_DIRECT))
        return DP_CT_SERVICE_CLOSING_SECONDS;
    return state == DP_CT_STATE_CLOSED ? DP_CT_CLOSED_SECONDS : DP_CT_TCP_SECONDS;
}

// Returns the entry while it is valid. An entry that has expired and was not collected yet counts as absent.
static __always_inline struct dp_ct_entry *ct_entry(const struct dp_ct_key *key, __u32 now) {
    struct dp_ct_entry *entry =
        key->protocol == IPPROTO_TCP ? bpf_map_lookup_elem(&dp_ct_tcp, key) : bpf_map_lookup_elem(&dp_ct_any, key);

    return entry && entry->expires >= now ? entry : NULL;
}

static __always_inline int ct_insert(const struct dp_ct_key *key, const struct dp_ct_entry *entry) {
    return key->protocol == IPPROTO_TCP ? bpf_map_update_elem(&dp_ct_tcp, key, entry, BPF_ANY)
                                        : bpf_map_update_elem(&dp_ct_any, key, entry, BPF_ANY);
}

static __always_inline void ct_key_turn(struct dp_ct_key *key) {
    struct dp_address address = key->source;
    __u16 port = key->source_port;

    key->source = key->destination;
    key->source_port = key->destination_port;
    key->destination = address;
    key->destination_port = port;
}

static __always_inline int ct_is_opening_segment(const struct packet *packet) {
    return packet->event.protocol == IPPROTO_TCP && (packet->event.tcp_flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

// Updates the entry with a packet of its connection (the states of RFC 9293, section 3.3.2, as far as an observer needs
// them). Two processors may race here: the flags that one of them overwrites come again with the next segment, or the
// entry expires.
static __always_inline void ct_follow(
    struct dp_ct_entry *entry, const struct packet *packet, const struct flow *flow, enum dp_ct_direction direction,
    int is_reply, __u32 now) {
    __u8 flags = entry->flags | (is_reply ? DP_CT_REPLIED : 0);
    __u8 state = entry->state;
    __u8 tcp = packet->event.tcp_flags;

    if (flow->tuple.protocol != IPPROTO_TCP) {
        if (is_reply)
            state = DP_CT_STATE_ESTABLISHED;
    } else if (tcp & TCP_RST) {
        state = DP_CT_STATE_CLOSED;
    } else if (tcp & TCP_FIN) {
        flags |= is_reply ? DP_CT_FIN_REPLY : DP_CT_FIN_FORWARD;
        state = (flags & (DP_CT_FIN_FORWARD | DP_CT_FIN_REPLY)) == (DP_CT_FIN_FORWARD | DP_CT_FIN_REPLY)
                    ? DP_CT_STATE_CLOSED
                    : DP_CT_STATE_CLOSING;
    } else if (!(tcp & TCP_SYN) && state == DP_CT_STATE_OPENING) {
        state = DP_CT_STATE_ESTABLISHED;
    }

    __u32 expires = now + ct_seconds(flow->tuple.protocol, state, direction, flags);

    // Most packets change nothing. Not writing lets the processors share the cache line.
    if (entry->flags != flags)
        entry->flags = flags;
    if (entry->state != state)
        entry->state = state;
    if (entry->expires != expires)
        entry->expires = expires;
}
