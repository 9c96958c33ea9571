// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Ethernet: reading the header, rewriting the addresses.
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// Reads a packet pointer from the context. This is in assembly because the compiler might keep the pointer in a 32-bit
// register or reuse an earlier read, and the verifier would then no longer see a packet pointer.
#define PACKET_POINTER(skb, field) \
    ({ \
        void *pointer; \
        asm volatile("%[pointer] = *(u32 *)(%[skb] + %[offset])" \
                     : [pointer] "=r"(pointer) \
                     : [skb] "r"(skb), [offset] "i"(offsetof(struct __sk_buff, field))); \
        pointer; \
    })

// Returns the first `length` bytes as contiguous memory, or NULL if the packet is shorter. Earlier packet pointers
// become invalid.
static __always_inline void *packet_header(struct __sk_buff *skb, __u32 length) {
    void *data = PACKET_POINTER(skb, data);

    if (data + length <= PACKET_POINTER(skb, data_end))
        return data;
    if (bpf_skb_pull_data(skb, length))
        return NULL;
    data = PACKET_POINTER(skb, data);
    return data + length <= PACKET_POINTER(skb, data_end) ? data : NULL;
}

static __always_inline void eth_rewrite(struct ethhdr *eth, const __u8 *destination, const __u8 *source) {
    __builtin_memcpy(eth->h_dest, destination, ETH_ALEN);
    __builtin_memcpy(eth->h_source, source, ETH_ALEN);
}

// A VLAN tag that the kernel has moved out of the packet counts as one in the packet: neither kind is forwarded.
static __always_inline __u16 eth_protocol(const struct __sk_buff *skb, const struct ethhdr *eth) {
    return skb->vlan_present ? ETH_P_8021Q : bpf_ntohs(eth->h_proto);
}
