// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Events to the agent.
#pragma once

#include <linux/types.h>

#include "abi_numbers.h"

// dp_events: the ring buffer of these events.
#define DP_EVENT_FRAGMENT 1
// The addresses are those of the inner packet. The tunnel fields say how it travels.
#define DP_EVENT_ENCAPSULATED 2
// The ports were read (for ICMP: the identifier and the sequence number).
#define DP_EVENT_L4 4

struct dp_event {
    // CLOCK_MONOTONIC
    __u64 ktime_ns;
    __u8 type;
    __u8 point;
    __u8 direction;
    __u8 flags;
    __s32 reason;
    __u32 ifindex;
    __u32 length;
    __u32 source_identity;
    __u32 destination_identity;
    struct dp_address source;
    struct dp_address destination;
    struct dp_address tunnel_remote;
    __u32 tunnel_id;
    __u16 endpoint_id;
    __u16 ethertype;
    // For ICMP these are the identifier and the sequence number.
    __u16 source_port;
    __u16 destination_port;
    __u16 file;
    __u16 line;
    __u8 family;
    __u8 protocol;
    __u8 tcp_flags;
    __u8 icmp_type;
    __u8 icmp_code;
    __u8 ttl;
    __u8 tunnel_family;
    // enum dp_ct_verdict
    __u8 connection;
    // The number that the agent gave the policy rule that decided; 0: no rule decided.
    __u32 rule;
    __u32 pad2;
};
DP_ASSERT_SIZE(struct dp_event, 112);
