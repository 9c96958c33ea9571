// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// IPv4: validating the header, describing it in the event, counting the hop.
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"
#include "drop.h"
#include "eth.h"
#include "packet.h"

#define IPV4_OFFSET_MASK 0x1FFF
#define IPV4_MORE_FRAGMENTS 0x2000

#define IPV4_FRAME_BYTES (sizeof(struct ethhdr) + sizeof(struct iphdr))

static __always_inline struct iphdr *ipv4_header(struct ethhdr *eth) {
    return (struct iphdr *)(eth + 1);
}

static __always_inline void ipv4_describe(struct packet *packet, const struct iphdr *ip, __u32 l3_offset) {
    struct dp_event *event = &packet->event;
    __u16 fragment = bpf_ntohs(ip->frag_off);

    event->ethertype = ETH_P_IP;
    event->family = DP_FAMILY_IPV4;
    event->source.word[0] = ip->saddr;
    event->destination.word[0] = ip->daddr;
    event->protocol = ip->protocol;
    event->ttl = ip->ttl;
    if (fragment & (IPV4_OFFSET_MASK | IPV4_MORE_FRAGMENTS))
        event->flags |= DP_EVENT_FRAGMENT;
    packet->l4_offset = fragment & IPV4_OFFSET_MASK ? 0 : l3_offset + ip->ihl * 4;
}

// Checks RFC 791: version 4, a header of at least 20 bytes, and a total length that covers the header and fits the
// packet.
static __always_inline int ipv4_is_valid(const struct iphdr *ip, __u32 available) {
    __u32 header = ip->ihl * 4;
    __u32 total = bpf_ntohs(ip->tot_len);

    return ip->version == 4 && header >= sizeof(*ip) && total >= header && total <= available;
}

// Returns the start of a valid packet and describes it in `packet`. Returns NULL if it dropped the packet.
static __always_inline struct ethhdr *ipv4_validate(struct __sk_buff *skb, struct packet *packet) {
    struct ethhdr *eth = packet_header(skb, IPV4_FRAME_BYTES);

    if (!eth) {
        DROP_RECORD(skb, packet, DP_DROP_TRUNCATED);
        return NULL;
    }
    ipv4_describe(packet, ipv4_header(eth), sizeof(*eth));
    if (!ipv4_is_valid(ipv4_header(eth), skb->len - sizeof(*eth))) {
        packet->l4_offset = 0;
        DROP_RECORD(skb, packet, DP_DROP_INVALID_IPV4_HEADER);
        return NULL;
    }
    return eth;
}

// Not unicast are 224.0.0.0/4, the reserved 240.0.0.0/4 with the limited broadcast, and 0.0.0.0/8.
static __always_inline int ipv4_is_unicast(__be32 address) {
    __u32 first = bpf_ntohl(address) >> 24;

    return first && first < 224;
}

// Takes one hop from the TTL and updates the checksum as in RFC 1624. The TTL must be greater than one.
static __always_inline void ipv4_hop(struct iphdr *ip) {
    __u32 checksum = (__u32)ip->check + bpf_htons(0x0100);

    ip->check = checksum + (checksum >= 0xFFFF);
    ip->ttl -= 1;
}
