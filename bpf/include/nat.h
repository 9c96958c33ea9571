// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Source translation: the flows of dp_nat, a port for each, and the two directions of a flow's packets.
//
// A flow that leaves has two entries, of which the LRU map may forget either: both are looked at, and one that is
// missing is written again. The entry for the answer is what a port is claimed by; it is inserted only where there is
// none.
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

// Random ports that a flow tries after its own; where a share f of the range is taken, f to this power fail.
#define NAT_ATTEMPTS 32
// How often the last use is written down, so that a busy flow's entry stays clean in other processors' caches.
#define NAT_TOUCH_NS 1000000000ull

// What nat_read_l4 found, besides a negative drop reason.
enum nat_l4_kind {
    NAT_L4_FLOW = 0,
    NAT_L4_ICMP_ERROR = 1,
    // Nothing that a flow of ours begins or is answered with.
    NAT_L4_OTHER = 2,
};

// Where the near side's port (or echo identifier) and the checksum are, from the start of the packet.
struct nat_l4 {
    __u32 port_offset;
    __u32 checksum_offset;
    __u8 tcp_flags;
};

// What is too wide for the stack, which calls from the devices to here share.
struct nat_scratch {
    // Of the packet at hand, and of the one that an ICMP error quotes.
    struct dp_nat_key key;
    struct dp_nat_key quoted_key;
    struct nat_quoted quoted;
    struct dp_nat_fragment_key fragment;
    // What is written into dp_nat.
    struct dp_nat_key answer;
    struct dp_nat_entry entry;
};

// The object's own. A program is not interrupted by another packet of its processor.
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, __u32);
    __type(value, struct nat_scratch);
    __uint(max_entries, 1);
} dp_nat_scratch SEC(".maps");

// Never NULL; the verifier does not know.
static __always_inline struct nat_scratch *nat_scratch_lookup(void) {
    __u32 zero = 0;

    return bpf_map_lookup_elem(&dp_nat_scratch, &zero);
}

static __always_inline const struct dp_nat_config *nat_config_lookup(void) {
    __u32 zero = 0;

    return bpf_map_lookup_elem(&dp_nat_config, &zero);
}

// Ports of a packet into its key, in the order in which the packet has them.
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
        // The question leaves and the answer arrives; the other way round it is somebody else's flow.
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
    // The same ports again, for another connection.
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

// Makes the answer to a port this flow's: 0, -EEXIST when it is another's, or another error.
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

// A port of the range for the flow: its own where it is free. Ports of echoes are identifiers, and all of them will do.
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

// Whether a packet of a pod answers a connection that was opened from outside, to the pod's own address.
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

// Not a port: the packet keeps its source.
#define NAT_KEEPS_SOURCE 0x10000
// Not a port: no flow is known, and none was to be begun.
#define NAT_NOT_KNOWN 0x20000

// A flag for nat_port that no entry has: only a pod's flow that goes on.
#define NAT_ONLY_KNOWN 0x8000

// The port with which the flow of the scratch's `key` leaves under `address`; a mapping that holds is kept. Negative: a
// drop reason.
//
// `range`: the lowest port, and the highest in the upper half. `flags`: of the entry, and the TCP flags in the upper
// half.
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
    // Another processor may be here with the flow's second packet: both answers lead to the flow, the last port stays.
    return bpf_map_update_elem(&dp_nat, key, &scratch->entry, BPF_ANY) ? DP_DROP_NAT_REFUSED : port;
}
