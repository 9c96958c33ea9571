// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Writes another address and port into a packet and updates its checksums. Nothing here reads a map. Functions return 0
// or the kernel's error.
//
// Data and the checksum that covers it always change together, so that skb->csum stays right without being computed
// again.
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "icmp.h"

struct nat_change {
    __be32 old_address;
    __be32 new_address;
    __be16 old_port;
    __be16 new_port;
    // The offset of the source or destination address from the start of the IP header.
    __u32 address_offset;
};

static __always_inline int rewrite_address(struct __sk_buff *skb, const struct nat_change *change) {
    return bpf_skb_store_bytes(skb, ETH_HLEN + change->address_offset, &change->new_address, sizeof(__be32), 0) ||
           bpf_l3_csum_replace(
               skb, ETH_HLEN + offsetof(struct iphdr, check), change->old_address, change->new_address,
               sizeof(__be32));
}

static __always_inline int rewrite_port(
    struct __sk_buff *skb, __u8 protocol, __u32 checksum_offset, __u32 port_offset, const struct nat_change *change) {
    // A UDP checksum of zero means that there is none; one that is computed as zero is written as all ones (RFC 768).
    __u64 flags = protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0;

    // ICMP's checksum does not cover the addresses.
    if (protocol != IPPROTO_ICMP &&
        bpf_l4_csum_replace(
            skb, checksum_offset, change->old_address, change->new_address,
            flags | BPF_F_PSEUDO_HDR | sizeof(__be32)))
        return 1;
    if (change->old_port == change->new_port)
        return 0;
    return bpf_l4_csum_replace(
               skb, checksum_offset, change->old_port, change->new_port, flags | sizeof(__be16)) ||
           bpf_skb_store_bytes(skb, port_offset, &change->new_port, sizeof(__be16), 0);
}

// RFC 1624, equation 3. Every word is in network byte order.
static __always_inline __be16 checksum_replace2(__be16 check, __be16 old, __be16 new) {
    __u32 sum = (__u16)~check + (__u32)(__u16)~old + new;

    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    return ~sum;
}

static __always_inline __be16 checksum_replace4(__be16 check, __be32 old, __be32 new) {
    return checksum_replace2(checksum_replace2(check, old & 0xFFFF, new & 0xFFFF), old >> 16, new >> 16);
}

// The packet that an ICMP error quotes: its IP header and at least eight more bytes (RFC 792).
struct nat_quoted {
    struct iphdr ip;
    __be16 l4[4];
    __u32 ip_offset;
    __u32 l4_offset;
};

// Returns the offset of the quoted packet's checksum in its transport header, or 0 if it has none or none is quoted.
static __always_inline __u32 quoted_checksum_offset(const struct nat_quoted *quoted) {
    switch (quoted->ip.protocol) {
    case IPPROTO_TCP:
        return offsetof(struct tcphdr, check);
    case IPPROTO_UDP:
        return quoted->l4[3] ? offsetof(struct udphdr, check) : 0;
    case IPPROTO_ICMP:
        return offsetof(struct icmp_header, checksum);
    default:
        return 0;
    }
}

// Changes the quoted packet as `change` says, and updates the ICMP checksum over it.
static __always_inline int rewrite_quoted(
    struct __sk_buff *skb, __u32 icmp_offset, const struct nat_quoted *quoted, __u32 port_offset,
    const struct nat_change *change) {
    __u32 checksum_at = quoted_checksum_offset(quoted);
    __be16 ip_check = checksum_replace4(quoted->ip.check, change->old_address, change->new_address);
    __be16 icmp_check;
    __be16 l4_check;

    if (bpf_skb_load_bytes(skb, icmp_offset + offsetof(struct icmp_header, checksum), &icmp_check, sizeof(icmp_check)))
        return 1;
    icmp_check = checksum_replace4(icmp_check, change->old_address, change->new_address);
    icmp_check = checksum_replace2(icmp_check, quoted->ip.check, ip_check);
    icmp_check = checksum_replace2(icmp_check, change->old_port, change->new_port);
    // The eight quoted bytes of a TCP header end before its checksum.
    if (checksum_at &&
        !bpf_skb_load_bytes(skb, quoted->l4_offset + checksum_at, &l4_check, sizeof(l4_check))) {
        __be16 changed = checksum_replace2(l4_check, change->old_port, change->new_port);

        if (quoted->ip.protocol != IPPROTO_ICMP)
            changed = checksum_replace4(changed, change->old_address, change->new_address);
        if (!changed && quoted->ip.protocol == IPPROTO_UDP)
            changed = 0xFFFF;
        icmp_check = checksum_replace2(icmp_check, l4_check, changed);
        if (bpf_skb_store_bytes(skb, quoted->l4_offset + checksum_at, &changed, sizeof(changed), 0))
            return 1;
    }
    return bpf_skb_store_bytes(
               skb, quoted->ip_offset + change->address_offset, &change->new_address, sizeof(__be32), 0) ||
           bpf_skb_store_bytes(
               skb, quoted->ip_offset + offsetof(struct iphdr, check), &ip_check, sizeof(ip_check), 0) ||
           bpf_skb_store_bytes(skb, quoted->l4_offset + port_offset, &change->new_port, sizeof(__be16), 0) ||
           bpf_skb_store_bytes(
               skb, icmp_offset + offsetof(struct icmp_header, checksum), &icmp_check, sizeof(icmp_check), 0);
}
