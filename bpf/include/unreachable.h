// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Answers a caller with ICMP port unreachable (RFC 792), from the address that it called. connect(2) then fails with
// ECONNREFUSED, for TCP as for UDP, as it does behind kube-proxy's REJECT.
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "icmp.h"
#include "subprogram.h"

// How much of the packet the error quotes, in bytes: 64 if the packet has them, else 40 (IPv4 and TCP headers), else
// the 28 that RFC 792 demands. The kernel refuses to cut a packet before a checksum that is still to be computed. The
// sizes are constants because the verifier of Linux 5.10 cannot follow a variable one.
#define UNREACHABLE_QUOTE 64
#define UNREACHABLE_QUOTE_TCP 40
#define UNREACHABLE_QUOTE_LEAST 28
#define ICMP_PORT_UNREACHABLE 3

struct unreachable_quote {
    __u8 bytes[UNREACHABLE_QUOTE];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, __u32);
    __type(value, struct unreachable_quote);
    __uint(max_entries, 1);
} dp_quote SEC(".maps");

struct unreachable_header {
    struct iphdr ip;
    struct icmp_header icmp;
};

_Static_assert(sizeof(struct unreachable_header) == 28, "an IPv4 and an ICMP header");

static __always_inline __u16 checksum_fold(__u32 sum) {
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return ~sum;
}

// Turns the packet into the error, addressed to its sender. Returns 0, or -1 if that is not possible.
GLOBAL_SUBPROGRAM int unreachable_build(struct __sk_buff *skb) {
    __u32 zero = 0;
    struct unreachable_quote *quote = bpf_map_lookup_elem(&dp_quote, &zero);
    struct unreachable_header header = {};
    __u32 length = skb->len - ETH_HLEN;
    __u8 macs[2 * ETH_ALEN];
    struct iphdr ip;

    if (!quote || bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
        return -1;
    __builtin_memset(quote, 0, sizeof(*quote));
    if (length >= UNREACHABLE_QUOTE) {
        length = UNREACHABLE_QUOTE;
        if (bpf_skb_load_bytes(skb, ETH_HLEN, quote->bytes, UNREACHABLE_QUOTE))
            return -1;
    } else if (length >= UNREACHABLE_QUOTE_TCP) {
        length = UNREACHABLE_QUOTE_TCP;
        if (bpf_skb_load_bytes(skb, ETH_HLEN, quote->bytes, UNREACHABLE_QUOTE_TCP))
            return -1;
    } else {
        length = UNREACHABLE_QUOTE_LEAST;
        if (bpf_skb_load_bytes(skb, ETH_HLEN, quote->bytes, UNREACHABLE_QUOTE_LEAST))
            return -1;
    }
    if (bpf_skb_load_bytes(skb, 0, macs, sizeof(macs)))
        return -1;
    header.ip.version = 4;
    header.ip.ihl = 5;
    header.ip.tot_len = bpf_htons(sizeof(header) + length);
    header.ip.ttl = 64;
    header.ip.protocol = IPPROTO_ICMP;
    header.ip.saddr = ip.daddr;
    header.ip.daddr = ip.saddr;
    header.ip.check = checksum_fold(bpf_csum_diff(NULL, 0, (__be32 *)&header.ip, sizeof(header.ip), 0));
    header.icmp.type = ICMP_DEST_UNREACH;
    header.icmp.code = ICMP_PORT_UNREACHABLE;
    // The buffer is zero behind the quoted bytes, which adds nothing to the sum.
    header.icmp.checksum = checksum_fold(
        bpf_csum_diff(
            NULL, 0, (__be32 *)quote->bytes, sizeof(quote->bytes), ICMP_DEST_UNREACH | ICMP_PORT_UNREACHABLE << 8));
    if (skb->len > ETH_HLEN + length && bpf_skb_change_tail(skb, ETH_HLEN + length, 0))
        return -1;
    if (bpf_skb_adjust_room(skb, sizeof(header), BPF_ADJ_ROOM_MAC, 0))
        return -1;
    if (bpf_skb_store_bytes(skb, 0, macs + ETH_ALEN, ETH_ALEN, 0) ||
        bpf_skb_store_bytes(skb, ETH_ALEN, macs, ETH_ALEN, 0) ||
        bpf_skb_store_bytes(skb, ETH_HLEN, &header, sizeof(header), 0))
        return -1;
    return 0;
}

// Straight into the endpoint: no program in between takes it for something that comes unasked.
static __always_inline int unreachable_deliver(const struct __sk_buff *skb) {
    return bpf_redirect_peer(skb->ifindex, 0);
}
