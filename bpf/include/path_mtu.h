// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Packets that are too long for the way ahead. A redirect does not check the MTU, so the programs do. The stack, whose
// routes have the same MTU, then fragments the packet or answers it with ICMP "fragmentation needed" (RFC 1191).
#pragma once

#include <linux/bpf.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "config.h"
#include "datapath_abi.h"
#include "drop.h"
#include "ipv4.h"
#include "packet.h"

#define IPV4_DO_NOT_FRAGMENT 0x4000

// The IPv4 and TCP headers without options, in bytes: the least that a segment of a large send has besides its payload.
#define SEGMENT_HEADERS 40

// The device cuts a large send into segments, and it is these that must fit.
static __always_inline int path_mtu_exceeded(
    const struct __sk_buff *skb, const struct iphdr *ip, const struct dp_config *config) {
    __u32 length = skb->gso_segs > 1 ? skb->gso_size + SEGMENT_HEADERS : bpf_ntohs(ip->tot_len);

    return config->route_mtu && length > config->route_mtu;
}

// A packet that the stack will refuse with an ICMP error counts as a drop. One that it will fragment does not.
static __always_inline int path_mtu_refused(struct __sk_buff *skb, struct packet *packet, const struct iphdr *ip) {
    if (!(ip->frag_off & bpf_htons(IPV4_DO_NOT_FRAGMENT)))
        return 0;
    DROP_RECORD(skb, packet, DP_DROP_FRAGMENTATION_NEEDED);
    return 1;
}
