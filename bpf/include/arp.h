// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// ARP from a pod. The program turns a request for the gateway into the answer and sends it back.
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"
#include "drop.h"
#include "eth.h"
#include "packet.h"
#include "trace.h"

// linux/if_arp.h has these, but it includes socket headers that do not compile for the BPF target.
#define ARP_HARDWARE_ETHERNET 1
#define ARP_REQUEST 1
#define ARP_REPLY 2

// An ARP packet for Ethernet and IPv4 (RFC 826).
struct arp_frame {
    struct ethhdr eth;
    __be16 hardware;
    __be16 protocol;
    __u8 hardware_length;
    __u8 protocol_length;
    __be16 operation;
    __u8 sender_mac[ETH_ALEN];
    __be32 sender;
    __u8 target_mac[ETH_ALEN];
    __be32 target;
} __attribute__((packed));

_Static_assert(sizeof(struct arp_frame) == 42, "an Ethernet header and an ARP packet");

static __always_inline int arp_is_ipv4_request(const struct arp_frame *frame) {
    return frame->hardware == bpf_htons(ARP_HARDWARE_ETHERNET) && frame->protocol == bpf_htons(ETH_P_IP) &&
           frame->hardware_length == ETH_ALEN && frame->protocol_length == sizeof(__be32) &&
           frame->operation == bpf_htons(ARP_REQUEST);
}

static __always_inline void arp_make_reply(struct arp_frame *frame, const struct dp_interface *interface) {
    __be32 gateway = frame->target;

    __builtin_memcpy(frame->target_mac, frame->sender_mac, ETH_ALEN);
    frame->target = frame->sender;
    __builtin_memcpy(frame->sender_mac, interface->host_mac, ETH_ALEN);
    frame->sender = gateway;
    frame->operation = bpf_htons(ARP_REPLY);
    eth_rewrite(&frame->eth, frame->target_mac, interface->host_mac);
}

static __always_inline int arp_from_container(
    struct __sk_buff *skb, struct packet *packet, const struct dp_config *config,
    const struct dp_interface *interface) {
    struct arp_frame *frame = packet_header(skb, sizeof(struct arp_frame));

    if (!frame)
        return DROP(skb, packet, DP_DROP_TRUNCATED);
    packet->event.family = DP_FAMILY_IPV4;
    packet->event.source.word[0] = frame->sender;
    packet->event.destination.word[0] = frame->target;
    if (config->flags & DP_CONFIG_ARP_PASSTHROUGH && frame->target != config->router_ipv4) {
        trace(skb, packet, config, DP_POINT_FROM_ENDPOINT);
        return TC_ACT_OK;
    }
    if (!arp_is_ipv4_request(frame))
        return DROP(skb, packet, DP_DROP_UNSUPPORTED_ARP);
    // Announcements and duplicate address detection (RFC 5227) ask for the sender's own address.
    if (frame->target == interface->ipv4)
        return drop_silently(packet, DP_DROP_NEIGHBOUR_CHATTER);
    if (frame->sender != interface->ipv4)
        return DROP(skb, packet, DP_DROP_INVALID_SOURCE);
    if (frame->target != config->router_ipv4)
        return DROP(skb, packet, DP_DROP_UNSUPPORTED_ARP);
    arp_make_reply(frame, interface);
    trace(skb, packet, config, DP_POINT_FROM_ENDPOINT);
    return bpf_redirect(skb->ifindex, 0);
}
