// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// What is known of the packet at hand. It is kept in the shape of an event, so that reporting is one copy.
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"

// The packet is an ICMP error, and `tuple` is that of the packet it is about, turned round: it travels like a reply.
#define PACKET_ICMP_ERROR 1
// The fields of `tuple` could not be read from an ICMP error: no connection is its own.
#define PACKET_UNRELATED 2

// What conntrack found. The verdict is in the event (`event.connection`), so that it is reported.
struct packet_connection {
    __u32 source_identity;
    __u32 policy_revision;
    __u16 rev_nat;
    __u16 proxy_port;
    __u8 flags;
    // The packet goes the way of the connection's replies.
    __u8 is_reply;
    __u8 pad[2];
};

struct packet {
    struct dp_event event;
    // Offset of the transport header from the start of the packet; 0: not known.
    __u32 l4_offset;
    __u32 trace_flags;
    // As the packet is at the moment, after whatever translation it went through; filled by l4_parse.
    struct dp_ct_key tuple;
    struct packet_connection connection;
    __u16 flags;
};

static __always_inline void packet_begin(
    struct packet *packet, const struct __sk_buff *skb, enum dp_point point, enum dp_direction direction) {
    __builtin_memset(packet, 0, sizeof(*packet));
    packet->event.point = point;
    packet->event.direction = direction;
    packet->event.ifindex = skb->ifindex;
    packet->event.length = skb->len;
}
