// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// The ways out of a program: to an endpoint, through the overlay, to the stack.
#pragma once

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"
#include "drop.h"
#include "eth.h"
#include "ipv4.h"
#include "lookup.h"
#include "packet.h"
#include "trace.h"
#include "tunnel_key.h"

static __always_inline int forward_to_stack(
    struct __sk_buff *skb, struct packet *packet, const struct dp_config *config) {
    trace(skb, packet, config, DP_POINT_TO_STACK);
    return TC_ACT_OK;
}

// Sends the packet out of the host side of the pod's veth, whose egress program reads the identity from the mark.
static __always_inline int forward_to_endpoint(
    struct __sk_buff *skb, const struct packet *packet, struct ethhdr *eth, const struct dp_endpoint *endpoint) {
    eth_rewrite(eth, endpoint->pod_mac, endpoint->host_mac);
    skb->mark = DP_MARK_IDENTITY | (packet->event.source_identity & DP_IDENTITY_MAX);
    return bpf_redirect(endpoint->ifindex, 0);
}

// Sends a packet that came out of the overlay up the stack, as if the host device had received it.
static __always_inline int redirect_to_stack(const struct dp_config *config, struct ethhdr *eth) {
    eth_rewrite(eth, config->host_mac, config->host_mac);
    return bpf_redirect(config->host_ifindex, BPF_F_INGRESS);
}

// Forwards a packet out of the overlay to the node's own address.
static __always_inline int forward_to_host(
    struct __sk_buff *skb, struct packet *packet, const struct dp_config *config, struct ethhdr *eth) {
    trace(skb, packet, config, DP_POINT_TO_HOST);
    return redirect_to_stack(config, eth);
}

static __always_inline int forward_to_overlay(
    struct __sk_buff *skb, struct packet *packet, const struct dp_config *config,
    const struct dp_ipcache_entry *entry) {
    struct dp_event *event = &packet->event;

    // Identities that this node numbers for itself are the world to other nodes.
    if (event->source_identity >= DP_IDENTITY_FIRST_LOCAL)
        event->source_identity = DP_IDENTITY_WORLD;

    event->tunnel_family = DP_FAMILY_IPV4;
    event->tunnel_remote.word[0] = entry->tunnel_endpoint.word[0];
    event->tunnel_id = event->source_identity;
    if (tunnel_key_set(skb, bpf_ntohl(entry->tunnel_endpoint.word[0]), event->tunnel_id))
        return DROP(skb, packet, DP_DROP_TUNNEL_KEY_REFUSED);
    event->flags |= DP_EVENT_ENCAPSULATED;
    trace(skb, packet, config, DP_POINT_TO_OVERLAY);
    return bpf_redirect(config->overlay_ifindex, 0);
}
