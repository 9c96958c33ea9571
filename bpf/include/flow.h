// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// The current packet, what it is part of (its tuple), and the connection that conntrack found.
//
// All of it is in per-CPU memory. It would not fit on the stack, and global functions, which take numbers alone, find
// it there. The verifier also walks far fewer instructions, because it does not follow what values such memory holds.
#pragma once

#include <linux/bpf.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"
#include "packet.h"

// The packet is an ICMP error. `tuple` is the reverse of the packet that the error is about: the error travels like a
// reply.
#define FLOW_ICMP_ERROR 1
// The packet that an ICMP error is about could not be read, so that the error belongs to no connection.
#define FLOW_UNRELATED 2

// What conntrack found. The verdict itself is in the event (`event.connection`), so that it is reported.
struct flow_connection {
    __u32 source_identity;
    __u32 policy_revision;
    __u16 rev_nat;
    __u16 proxy_port;
    __u8 flags;
    // The packet travels in the direction of the connection's replies.
    __u8 is_reply;
    __u8 pad[2];
};

// Flows in the cache of a processor.
#define FLOW_CACHE_SLOTS 2048

// A packet as it arrives at a program. Two keys are compared as three numbers.
struct flow_cache_key {
    __u64 addresses;
    // Source port, destination port, and the device.
    __u64 ports;
    // The tunnel's identifier, the direction and the protocol, and the revision of the maps.
    __u64 scope;
};

struct flow {
    // The packet as it is now, after any translation so far. l4_parse fills it.
    struct dp_ct_key tuple;
    struct flow_connection connection;
    __u16 flags;
    __u8 pad[6];
    // These two fields outlive the packet: see flow_now.
    __u64 clock_jiffies;
    __u32 clock_seconds;
    struct packet packet;
    // The key of this packet's flow in the flow cache, made from the packet as it arrived: see flow_cache.h.
    struct flow_cache_key cache_key;
    __u64 cache_hash;
    __u32 is_cacheable;
    // The address that a masqueraded packet took, or 0 if it took none. Its port did not change.
    __be32 cache_address;
    // Eight bits of the hash of each flow in the cache, by slot: the search for a flow that is not there mostly ends
    // here, and leaves the cache's memory alone.
    __u8 cache_tags[FLOW_CACHE_SLOTS];
};

#define FLOW_HEAD_BYTES offsetof(struct flow, clock_jiffies)

// Every BPF object has its own. No other packet of the same processor interrupts a program.
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, __u32);
    __type(value, struct flow);
    __uint(max_entries, 1);
} dp_flow SEC(".maps");

// Returns the flow of the current packet. It is never NULL, but the verifier demands the check.
static __always_inline struct flow *flow_lookup(void) {
    __u32 zero = 0;

    return bpf_map_lookup_elem(&dp_flow, &zero);
}

// Begins the description of a new packet. This is never NULL, but the verifier demands the check. The flow is still
// that of an earlier packet: see flow_begin.
static __always_inline struct packet *packet_begin(
    const struct __sk_buff *skb, enum dp_point point, enum dp_direction direction) {
    struct flow *flow = flow_lookup();
    struct packet *packet;

    if (!flow)
        return NULL;
    packet = &flow->packet;
    __builtin_memset(packet, 0, sizeof(*packet));
    packet->event.point = point;
    packet->event.direction = direction;
    packet->event.ifindex = skb->ifindex;
    packet->event.length = skb->len;
    return packet;
}

// Returns the flow, emptied for a new packet.
static __always_inline struct flow *flow_begin(void) {
    struct flow *flow = flow_lookup();

    if (flow)
        __builtin_memset(flow, 0, FLOW_HEAD_BYTES);
    return flow;
}

// Returns CLOCK_MONOTONIC in seconds. The clock is read once in a tick (jiffy), not for every packet.
static __always_inline __u32 flow_now(struct flow *flow) {
    __u64 jiffies = bpf_jiffies64();

    if (flow->clock_jiffies != jiffies) {
        flow->clock_jiffies = jiffies;
        flow->clock_seconds = bpf_ktime_get_ns() / 1000000000;
    }
    return flow->clock_seconds;
}
