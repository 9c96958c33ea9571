// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Source translation: the flows in dp_nat, the port of each flow, and both directions of its packets.
//
// A flow that leaves has two entries, and the LRU map may evict either one. Both are looked up, and a missing one is
// written again. The entry for the answer is what claims a port: it is inserted only if no other has that key.
#pragma once

#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ct_maps.h"
#include "datapath_abi.h"
#include "events.h"
#include "icmp.h"
#include "nat_maps.h"
#include "nat_rewrite.h"
#include "subprogram.h"

// The number of random ports that a flow tries after its own. If a share f of the range is taken, f to this power of
// the flows fail.
#define NAT_ATTEMPTS 32
// The interval at which the last use is written, so that a busy flow's entry stays clean in the caches of other
// processors.
#define NAT_TOUCH_NS 1000000000ull

// The kind of transport header that nat_read_l4 found. It may return a negative drop reason instead.
enum nat_l4_kind {
    NAT_L4_FLOW = 0,
    NAT_L4_ICMP_ERROR = 1,
    // No flow of ours begins with such a packet or is answered with it.
    NAT_L4_OTHER = 2,
};

// Offsets of the near side's port (or echo identifier) and of the checksum, from the start of the packet.
struct nat_l4 {
    __u32 port_offset;
    __u32 checksum_offset;
    __u8 tcp_flags;
};

// Values that do not fit on the stack, which all calls from the device's program down to here share.
struct nat_scratch {
    // The keys of the packet itself, and of the one that an ICMP error quotes.
    struct dp_nat_key key;
    struct dp_nat_key quoted_key;
    struct nat_quoted quoted;
    struct dp_nat_fragment_key fragment;
    // What is written into dp_nat.
    struct dp_nat_key answer;
    struct dp_nat_entry entry;
};

// Every BPF object has its own. No other packet of the same processor interrupts a program.
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, __u32);
    __type(value, struct nat_scratch);
    __uint(max_entries, 1);
} dp_nat_scratch SEC(".maps");

// This is never NULL, but the verifier demands the check.
static __always_inline struct nat_scratch *nat_scratch_lookup(void) {
    __u32 zero = 0;

    return bpf_map_lookup_elem(&dp_nat_scratch, &zero);
}

static __always_inline const struct dp_nat_config *nat_config_lookup(void) {
    __u32 zero = 0;

    return bpf_map_lookup_elem(&dp_nat_config, &zero);
}

// Reads the ports of a packet into its key, in the packet's own order.
static __always_inline int nat_read_l4(
    struct __sk_buff *skb, __u32 offset, struct dp_nat_key *key, struct nat_l4 *l4) {
    int leaves = key->direction == DP_EGRESS;

    switch (key->protocol) {
    case IPPROTO_TCP: {
        struct tcphdr tcp;

        if (bpf_skb_load_bytes(skb, offset, &tcp, sizeof(tcp)))
            return DP_DROP_TRUNCATED;
        key->source_port = bpf_ntohs(tcp.source);
        key->destination_port = bpf_ntohs(tcp.dest);
        l4->port_offset = offset + (leaves ? offsetof(struct tcphdr, source) : offsetof(struct tcphdr, dest));
        l4->checksum_offset = offset + offsetof(struct tcphdr, check);
        l4->tcp_flags = ((const __u8 *)&tcp)[TCP_FLAGS_OFFSET];
        return NAT_L4_FLOW;
    }
    case IPPROTO_UDP: {
        struct udphdr udp;

        if (bpf_skb_load_bytes(skb, offset, &udp, sizeof(udp)))
            return DP_DROP_TRUNCATED;
        key->source_port = bpf_ntohs(udp.source);
        key->destination_port = bpf_ntohs(udp.dest);
        l4->port_offset = offset + (leaves ? offsetof(struct udphdr, source) : offsetof(struct udphdr, dest));
        l4->checksum_offset = offset + offsetof(struct udphdr, check);
        return NAT_L4_FLOW;
    }
    case IPPROTO_ICMP: {
        struct icmp_header icmp;

        if (bpf_skb_load_bytes(skb, offset, &icmp, sizeof(icmp)))
            return DP_DROP_TRUNCATED;
        if (icmp_is_error(icmp.type))
            return NAT_L4_ICMP_ERROR;
        if (icmp.type != ICMP_ECHO && icmp.type != ICMP_ECHOREPLY)
            return DP_DROP_NAT_UNSUPPORTED_PROTOCOL;
        // For our flows the request leaves and the answer arrives. In the other direction it is somebody else's flow.
        if (icmp.type != (leaves ? ICMP_ECHO : ICMP_ECHOREPLY))
            return NAT_L4_OTHER;
        key->source_port = leaves ? bpf_ntohs(icmp.identifier) : 0;
        key->destination_port = leaves ? 0 : bpf_ntohs(icmp.identifier);
        l4->port_offset = offset + offsetof(struct icmp_header, identifier);
        l4->checksum_offset = offset + offsetof(struct icmp_header, checksum);
        return NAT_L4_FLOW;
    }
    default:
        return DP_DROP_NAT_UNSUPPORTED_PROTOCOL;
    }
}

static __always_inline void nat_touch(struct dp_nat_entry *entry, __u8 tcp_flags, __u16 flags) {
    __u64 now = bpf_ktime_get_ns();

    if (now - entry->used_ns > NAT_TOUCH_NS)
        entry->used_ns = now;
    if (tcp_flags & (TCP_FIN | TCP_RST))
        flags |= DP_NAT_CLOSING;
    if ((entry->flags & flags) != flags)
        entry->flags |= flags;
    // A new connection uses the same ports again.
    if ((tcp_flags & TCP_SYN) && entry->flags & DP_NAT_CLOSING)
        entry->flags &= ~DP_NAT_CLOSING;
}

static __always_inline void nat_answer_key(
    const struct dp_nat_key *key, __be32 address, __u16 port, struct dp_nat_key *answer) {
    __builtin_memset(answer, 0, sizeof(*answer));
    answer->source = key->destination;
    answer->destination.word[0] = address;
    answer->source_port = key->destination_port;
    answer->destination_port = port;
    answer->protocol = key->protocol;
    answer->family = key->family;
    answer->direction = DP_INGRESS;
}

static __always_inline void nat_entry_begin(struct dp_nat_entry *entry, __u16 port, __u16 flags) {
    __builtin_memset(entry, 0, sizeof(*entry));
    entry->created_ns = bpf_ktime_get_ns();
    entry->used_ns = entry->created_ns;
    entry->port = port;
    entry->flags = flags;
}

static __always_inline int nat_leads_to(const struct dp_nat_entry *entry, const struct dp_nat_key *key) {
    return entry->address.word[0] == key->source.word[0] && entry->port == key->source_port;
}

// Claims a port for this flow by inserting the entry for the answer. Returns 0, -EEXIST if another flow has the port,
// or another error.
SUBPROGRAM int nat_claim(const struct dp_nat_key *key, __be32 address, __u16 port, __u16 flags) {
    struct nat_scratch *scratch = nat_scratch_lookup();

    if (!scratch)
        return -ENOMEM;
    nat_answer_key(key, address, port, &scratch->answer);

    struct dp_nat_entry *present = bpf_map_lookup_elem(&dp_nat, &scratch->answer);

    if (present)
        return nat_leads_to(present, key) ? 0 : -EEXIST;
    nat_entry_begin(&scratch->entry, key->source_port, flags);
    scratch->entry.address = key->source;
    return bpf_map_update_elem(&dp_nat, &scratch->answer, &scratch->entry, BPF_NOEXIST);
}

// Chooses a port of the range: the flow's own port if it is free. The port of an echo is its identifier, which may have
// any value.
SUBPROGRAM int nat_allocate(const struct dp_nat_key *key, __be32 address, __u32 range, __u16 flags) {
    __u32 minimum = key->protocol == IPPROTO_ICMP ? 0 : range & 0xFFFF;
    __u32 maximum = key->protocol == IPPROTO_ICMP ? 0xFFFF : range >> 16;
    __u32 port = key->source_port;

#pragma clang loop unroll(disable)
    for (int attempt = 0; attempt <= NAT_ATTEMPTS; attempt++) {
        if (attempt || port < minimum || port > maximum)
            port = minimum + (__u32)((__u64)bpf_get_prandom_u32() * (maximum - minimum + 1) >> 32);

        int error = nat_claim(key, address, port, flags);

        if (!error)
            return port;
        if (error != -EEXIST)
            return DP_DROP_NAT_REFUSED;
    }
    return DP_DROP_NAT_NO_PORT;
}

// Says whether a pod's packet answers a connection that was opened from outside, to the pod's own address.
SUBPROGRAM int nat_is_answer(const struct dp_nat_key *key) {
    struct dp_ct_key opened = {
        .source = key->destination,
        .destination = key->source,
        .source_port = bpf_htons(key->destination_port),
        .destination_port = bpf_htons(key->source_port),
        .protocol = key->protocol,
        .family = key->family,
        .direction = DP_CT_INGRESS,
    };
    const struct dp_ct_entry *entry = key->protocol == IPPROTO_TCP ? bpf_map_lookup_elem(&dp_ct_tcp, &opened)
                                                                   : bpf_map_lookup_elem(&dp_ct_any, &opened);

    return entry && entry->expires >= bpf_ktime_get_ns() / 1000000000;
}

// This is no port: the packet keeps its source.
#define NAT_KEEPS_SOURCE 0x10000
// This is no port: no flow is known, and none was to be created.
#define NAT_NOT_KNOWN 0x20000

// A flag for nat_port that is never stored in an entry: do not create a flow.
#define NAT_ONLY_KNOWN 0x8000

// Returns the port with which the flow of the scratch's `key` leaves under `address`, or a negative drop reason. A
// mapping that is still valid is kept.
//
// `range` has the lowest port in its lower half and the highest in its upper half. `flags` has the entry's flags in its
// lower half and the TCP flags in its upper half.
GLOBAL_SUBPROGRAM int nat_port(__u32 address, __u32 range, __u32 flags) {
    __u8 tcp_flags = flags >> 16;
    struct nat_scratch *scratch = nat_scratch_lookup();

    if (!scratch)
        return DP_DROP_NAT_REFUSED;

    const struct dp_nat_key *key = &scratch->key;
    struct dp_nat_entry *forward = bpf_map_lookup_elem(&dp_nat, key);

    flags &= 0xFFFF;
    if (flags & NAT_ONLY_KNOWN) {
        if (!forward || tcp_flags & TCP_SYN || forward->flags & (DP_NAT_HOST | DP_NAT_SERVICE))
            return NAT_NOT_KNOWN;
        flags &= ~NAT_ONLY_KNOWN;
        if (forward->address.word[0] != address || nat_claim(key, address, forward->port, flags))
            return NAT_NOT_KNOWN;
        nat_touch(forward, tcp_flags, flags);
        return forward->port;
    }
    if (forward && forward->address.word[0] == address && !nat_claim(key, address, forward->port, flags)) {
        nat_touch(forward, tcp_flags, flags);
        return forward->port;
    }
    if (!(flags & (DP_NAT_HOST | DP_NAT_SERVICE)) && nat_is_answer(key))
        return NAT_KEEPS_SOURCE;

    int port = nat_allocate(key, address, range, flags);

    if (port < 0)
        return port;
    nat_entry_begin(&scratch->entry, port, flags);
    scratch->entry.address.word[0] = address;
    // Another processor may handle the flow's second packet at the same time. The answers to both ports then lead to
    // the flow, and the port that was written last stays.
    return bpf_map_update_elem(&dp_nat, key, &scratch->entry, BPF_ANY) ? DP_DROP_NAT_REFUSED : port;
}
