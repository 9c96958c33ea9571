// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// What an endpoint of this node receives: conntrack, translation back, policy, then delivery.
//
// Two ways lead here. What the stack sends passes the egress hook at the near end of the pod's veth (to_container).
// What another program received (from a pod, out of the overlay, from a node device) does not pass that hook: `deliver`
// does the hook's work and hands the packet to the far end. This saves a device and a second pass through the kernel's
// receive queue.
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "config.h"
#include "ct.h"
#include "datapath_abi.h"
#include "drop.h"
#include "eth.h"
#include "flow.h"
#include "flow_cache.h"
#include "forward.h"
#include "ipv4.h"
#include "l4.h"
#include "lookup.h"
#include "packet.h"
#include "policy.h"
#include "proxy.h"
#include "service.h"
#include "subprogram.h"
#include "trace.h"

// The overlay says no more than "world"; which of the policies' address ranges a source is in, each node knows for
// itself.
static __always_inline __u32 identity_in_world(__u32 identity, __be32 source) {
    const struct dp_ipcache_entry *entry;

    if (identity != DP_IDENTITY_WORLD)
        return identity;
    entry = ipcache_lookup_ipv4(source);
    return entry && entry->identity >= DP_IDENTITY_FIRST_LOCAL ? entry->identity : DP_IDENTITY_WORLD;
}

// Checks a packet, parsed into `flow`, at its endpoint's interface. `is_read` says that the proxy sent it. Returns
// TC_ACT_OK if the endpoint may have the packet, otherwise the verdict of a packet that was dropped or went to the
// proxy.
static __always_inline int endpoint_receive(
    struct __sk_buff *skb, struct packet *packet, struct flow *flow, const struct dp_config *config,
    const struct dp_interface *interface, __be32 source, __be32 destination, int is_read) {
    int refused;

    ct_lookup(DP_CT_INGRESS);
    if (destination == DP_LOOPBACK_IPV4 && !(flow->connection.flags & DP_CT_LOOPBACK))
        return DROP(skb, packet, DP_DROP_UNKNOWN_ENDPOINT);
    if (source == DP_LOOPBACK_IPV4)
        flow->connection.flags |= DP_CT_LOOPBACK;
    refused = service_reverse(skb, interface->ipv4);
    if (refused)
        return DROP(skb, packet, refused);
    // No policy is applied when a pod reaches itself through its own service. What the proxy sends was checked before.
    if (is_read)
        flow->connection.flags |= DP_CT_PROXY;
    else if (!(flow->connection.flags & DP_CT_LOOPBACK) &&
        policy_enforce(skb, packet, flow, config, interface, DP_INGRESS, packet->event.source_identity))
        return TC_ACT_SHOT;
    refused = ct_admit(DP_CT_INGRESS);
    if (refused)
        return DROP(skb, packet, refused);
    if (!is_read && flow->connection.flags & DP_CT_PROXY)
        return proxy_to_listener(skb, packet, config, flow);
    trace(skb, packet, config, DP_POINT_TO_ENDPOINT);
    return TC_ACT_OK;
}

// Describes the packet that was handed on as the endpoint's interface sees it, with its present addresses.
static __always_inline void deliver_describe(struct packet *packet, const struct iphdr *ip, __u32 ifindex) {
    struct dp_event *event = &packet->event;

    event->point = DP_POINT_TO_ENDPOINT;
    event->direction = DP_INGRESS;
    event->ifindex = ifindex;
    event->flags &= DP_EVENT_L4;
    event->connection = DP_CT_UNTRACKED;
    event->rule = 0;
    event->tunnel_family = 0;
    event->tunnel_remote.word[0] = 0;
    event->tunnel_id = 0;
    ipv4_describe(packet, ip, sizeof(struct ethhdr));
}

// Delivers the packet in the flow to the endpoint behind an interface of this node. The flow's tuple is either filled,
// or empty if the packet was not parsed yet. This may be called from an ingress hook only, as bpf_redirect_peer is.
GLOBAL_SUBPROGRAM int deliver(struct __sk_buff *skb, __u32 ifindex) {
    const struct dp_config *config = config_lookup();
    const struct dp_interface *interface = interface_lookup(ifindex);
    struct flow *flow = flow_lookup();
    struct ethhdr *eth = packet_header(skb, IPV4_FRAME_BYTES);

    if (!config || !flow)
        return TC_ACT_SHOT;

    struct packet *packet = &flow->packet;
    struct dp_event *event = &packet->event;

    if (!eth)
        return DROP(skb, packet, DP_DROP_TRUNCATED);

    __be32 source = ipv4_header(eth)->saddr;
    __be32 destination = ipv4_header(eth)->daddr;
    int verdict;

    deliver_describe(packet, ipv4_header(eth), ifindex);
    if (!interface)
        return DROP(skb, packet, DP_DROP_UNKNOWN_INTERFACE);
    event->endpoint_id = interface->endpoint_id;
    event->destination_identity = interface->identity;
    skb->mark = 0;
    // Only the endpoint itself may use the loopback address.
    if (source == DP_LOOPBACK_IPV4 && event->source_identity != interface->identity)
        return DROP(skb, packet, DP_DROP_INVALID_SOURCE);
    if (destination != interface->ipv4 && destination != DP_LOOPBACK_IPV4)
        return DROP(skb, packet, DP_DROP_UNKNOWN_ENDPOINT);
    if (!flow->tuple.family) {
        int refused = l4_parse(skb);

        if (refused)
            return DROP(skb, packet, refused);
    } else if (event->flags & DP_EVENT_L4 && event->protocol != IPPROTO_ICMP) {
        event->destination_port = bpf_ntohs(flow->tuple.destination_port);
    }
    __builtin_memset(&flow->connection, 0, sizeof(flow->connection));
    verdict = endpoint_receive(skb, packet, flow, config, interface, source, destination, 0);
    if (verdict != TC_ACT_OK)
        return verdict;
    flow_cache_judge(packet, flow);
    flow_cache_store(flow, FLOW_CACHE_TO_ENDPOINT, ifindex, interface->pod_mac, interface->host_mac, 0, 0);
    // The overlay device marked the packet as PACKET_OTHERHOST, because the inner MAC is not its own. After the
    // redirect nobody looks at the MAC again, so the type is set here.
    if (skb->pkt_type != PACKET_HOST)
        bpf_skb_change_type(skb, PACKET_HOST);
    return bpf_redirect_peer(ifindex, 0);
}

// Forwards to an endpoint from an ingress hook, and delivers from here if its interface allows it. `flow` is the
// packet's, or empty.
static __always_inline int forward_to_delivery(
    struct __sk_buff *skb, const struct packet *packet, struct flow *flow, struct ethhdr *eth,
    const struct dp_endpoint *endpoint) {
    __u32 ifindex = endpoint->ifindex;

    if (!flow || !(endpoint->flags & DP_ENDPOINT_PEER))
        return forward_to_endpoint(skb, packet, eth, endpoint);
    eth_rewrite(eth, endpoint->pod_mac, endpoint->host_mac);
    return deliver(skb, ifindex);
}
