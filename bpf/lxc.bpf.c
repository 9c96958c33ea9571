// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// The host side of a pod's veth: its ingress is what the pod sends, its egress is what the pod receives. One object
// serves all pods, and the interface tells which pod it is.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "arp.h"
#include "config.h"
#include "ct.h"
#include "datapath_abi.h"
#include "deliver.h"
#include "drop.h"
#include "eth.h"
#include "flow.h"
#include "flow_cache.h"
#include "forward.h"
#include "ipv4.h"
#include "l4.h"
#include "lookup.h"
#include "native.h"
#include "netfilter.h"
#include "packet.h"
#include "path_mtu.h"
#include "policy.h"
#include "proxy.h"
#include "service.h"
#include "trace.h"
#include "unreachable.h"

// After a translation, events show where the packet goes now.
static __always_inline void flow_describe(struct packet *packet, const struct flow *flow) {
    struct dp_event *event = &packet->event;

    if (!flow->connection.rev_nat || flow->connection.is_reply || flow->flags & FLOW_ICMP_ERROR)
        return;
    event->source.word[0] = flow->tuple.source.word[0];
    event->destination.word[0] = flow->tuple.destination.word[0];
    event->destination_port = bpf_ntohs(flow->tuple.destination_port);
}

static __always_inline int ipv4_from_container(
    struct __sk_buff *skb, struct packet *packet, const struct dp_config *config,
    const struct dp_interface *interface) {
    struct ethhdr *eth = ipv4_validate(skb, packet);

    if (!eth)
        return TC_ACT_SHOT;

    struct iphdr *ip = ipv4_header(eth);

    if (ip->saddr != interface->ipv4)
        return DROP(skb, packet, DP_DROP_INVALID_SOURCE);
    if (!ipv4_is_unicast(ip->daddr))
        return DROP(skb, packet, DP_DROP_UNSUPPORTED_DESTINATION);

    struct flow *flow = flow_begin();
    int refused;

    if (!flow)
        return TC_ACT_SHOT;
    refused = l4_parse(skb);
    if (refused)
        return DROP(skb, packet, refused);
    if (config->flags & DP_CONFIG_SERVICES) {
        refused = service_translate(skb, 0);
        if (refused == DP_DROP_NO_SERVICE_BACKEND) {
            trace(skb, packet, config, DP_POINT_FROM_ENDPOINT);
            DROP_RECORD(skb, packet, DP_DROP_NO_SERVICE_BACKEND);
            return packet->l4_offset && !unreachable_build(skb) ? unreachable_deliver(skb) : TC_ACT_SHOT;
        }
        if (refused)
            return DROP(skb, packet, refused);
        eth = packet_header(skb, IPV4_FRAME_BYTES);
        if (!eth)
            return DROP(skb, packet, DP_DROP_TRUNCATED);
        ip = ipv4_header(eth);
    }
    ct_lookup(DP_CT_EGRESS);

    // An answer to the address under which the endpoint called itself goes to that endpoint: no other uses it.
    __be32 destination = ip->daddr == DP_LOOPBACK_IPV4 && flow->connection.flags & DP_CT_LOOPBACK ? interface->ipv4
                                                                                                  : ip->daddr;
    const struct dp_endpoint *endpoint = endpoint_lookup_ipv4(destination);
    const struct dp_ipcache_entry *entry = endpoint ? NULL : ipcache_lookup_ipv4(destination);
    int through_overlay = !endpoint && entry && entry->tunnel_family;

    packet->event.destination_identity = endpoint ? endpoint->identity : entry ? entry->identity : DP_IDENTITY_WORLD;
    trace(skb, packet, config, DP_POINT_FROM_ENDPOINT);
    flow_describe(packet, flow);
    if (!endpoint && (config_is_local_pod(config, destination) || destination == DP_LOOPBACK_IPV4))
        return DROP(skb, packet, DP_DROP_UNKNOWN_ENDPOINT);

    int is_cluster_pod = config_is_cluster_pod(config, destination);
    int natively = !endpoint && !through_overlay && is_cluster_pod && config_is_native(config);

    if (!endpoint && !through_overlay && !natively && is_cluster_pod)
        return DROP(skb, packet, DP_DROP_NO_TUNNEL_ENDPOINT);

    int to_pod = through_overlay || (endpoint && !(endpoint->flags & DP_ENDPOINT_HOST));
    int too_long = (through_overlay || natively) && path_mtu_exceeded(skb, ip, config);

    if (too_long && path_mtu_refused(skb, packet, ip))
        return TC_ACT_OK;
    if (to_pod && ip->ttl <= 1) {
        // It counts as a drop, and is left to the stack, which discards it with the ICMP error that traceroute waits
        // for.
        DROP_RECORD(skb, packet, DP_DROP_TTL_EXCEEDED);
        return TC_ACT_OK;
    }
    // No policy is applied when a pod reaches itself through its own service.
    if (destination != interface->ipv4 &&
        policy_enforce(skb, packet, flow, config, interface, DP_EGRESS, packet->event.destination_identity))
        return TC_ACT_SHOT;
    refused = ct_admit(DP_CT_EGRESS);
    if (refused)
        return DROP(skb, packet, refused);
    flow_cache_judge(packet, flow);
    if (flow->connection.flags & DP_CT_PROXY)
        return flow->connection.is_reply ? proxy_from_endpoint(skb, packet, config, flow)
                                         : proxy_to_listener(skb, packet, config, flow);
    if (!endpoint && !through_overlay && config->flags & DP_CONFIG_HOST_ROUTING)
        natively = 1;
    // Where kube-proxy serves, netfilter must see both directions of a flow, or it takes the packets for invalid.
    if (natively && !too_long && !netfilter_serves(config))
        return forward_native(skb, packet, config, eth);
    if (!to_pod || too_long)
        return forward_to_stack(skb, packet, config);
    if (endpoint && netfilter_serves(config) && netfilter_follow(1))
        return forward_to_stack(skb, packet, config);
    ipv4_hop(ip);
    if (endpoint)
        return forward_to_delivery(skb, packet, flow, eth, endpoint);
    refused = forward_to_overlay(skb, packet, config, entry);
    if (refused == TC_ACT_REDIRECT)
        flow_cache_store(
            flow, FLOW_CACHE_TO_OVERLAY, config->overlay_ifindex, NULL, NULL, packet->event.tunnel_id,
            bpf_ntohl(packet->event.tunnel_remote.word[0]));
    return refused;
}

// Router solicitations, neighbour discovery and multicast listener reports go to multicast addresses, ff00::/8.
static __always_inline int ipv6_from_container(struct __sk_buff *skb, struct packet *packet) {
    __u8 first = 0;

    bpf_skb_load_bytes(skb, sizeof(struct ethhdr) + offsetof(struct ipv6hdr, daddr), &first, 1);
    if (first == 0xFF)
        return drop_silently(packet, DP_DROP_NEIGHBOUR_CHATTER);
    return DROP(skb, packet, DP_DROP_UNSUPPORTED_L3);
}

SEC("tc")
int from_container(struct __sk_buff *skb) {

    const struct dp_config *config = config_lookup();

    if (config) {
        int verdict = flow_cache_forward(skb, config, DP_EGRESS, DP_POINT_FROM_ENDPOINT, 0, 0);

        if (verdict != TC_ACT_UNSPEC)
            return verdict;
    }

    struct packet *packet = packet_begin(skb, DP_POINT_FROM_ENDPOINT, DP_EGRESS);

    if (!packet)
        return TC_ACT_SHOT;
    if (!config)
        return DROP(skb, packet, DP_DROP_NOT_CONFIGURED);

    const struct dp_interface *interface = interface_lookup(skb->ifindex);

    if (!interface)
        return DROP(skb, packet, DP_DROP_UNKNOWN_INTERFACE);
    packet->event.endpoint_id = interface->endpoint_id;
    packet->event.source_identity = interface->identity;

    struct ethhdr *eth = packet_header(skb, sizeof(*eth));

    if (!eth)
        return DROP(skb, packet, DP_DROP_TRUNCATED);
    packet->event.ethertype = eth_protocol(skb, eth);
    switch (packet->event.ethertype) {
    case ETH_P_IP:
        return ipv4_from_container(skb, packet, config, interface);
    case ETH_P_ARP:
        return arp_from_container(skb, packet, config, interface);
    case ETH_P_IPV6:
        return ipv6_from_container(skb, packet);
    default:
        return DROP(skb, packet, DP_DROP_UNSUPPORTED_L3);
    }
}

// The program that redirected here put the identity into the mark; for a packet out of the overlay, only that program
// knows it. Without a mark the address tells.
static __always_inline __u32 identity_from_mark(const struct __sk_buff *skb, __be32 source) {
    if ((skb->mark & DP_MARK_IDENTITY_MASK) != DP_MARK_IDENTITY)
        return identity_of_ipv4(source);
    return identity_in_world(skb->mark & DP_IDENTITY_MAX, source);
}

SEC("tc")
int to_container(struct __sk_buff *skb) {
    struct packet *packet = packet_begin(skb, DP_POINT_TO_ENDPOINT, DP_INGRESS);

    if (!packet)
        return TC_ACT_SHOT;

    const struct dp_config *config = config_lookup();

    if (!config)
        return DROP(skb, packet, DP_DROP_NOT_CONFIGURED);

    const struct dp_interface *interface = interface_lookup(skb->ifindex);

    if (!interface)
        return DROP(skb, packet, DP_DROP_UNKNOWN_INTERFACE);
    packet->event.endpoint_id = interface->endpoint_id;
    packet->event.destination_identity = interface->identity;

    struct ethhdr *eth = packet_header(skb, sizeof(*eth));

    if (!eth)
        return DROP(skb, packet, DP_DROP_TRUNCATED);
    packet->event.ethertype = eth_protocol(skb, eth);
    // This is the answer to the pod's own request for the gateway.
    if (packet->event.ethertype == ETH_P_ARP) {
        trace(skb, packet, config, DP_POINT_TO_ENDPOINT);
        return TC_ACT_OK;
    }
    if (packet->event.ethertype != ETH_P_IP)
        return DROP(skb, packet, DP_DROP_UNSUPPORTED_L3);

    eth = ipv4_validate(skb, packet);
    if (!eth)
        return TC_ACT_SHOT;

    struct iphdr *ip = ipv4_header(eth);

    int is_read = proxy_sent(skb);

    packet->event.source_identity = identity_from_mark(skb, ip->saddr);
    skb->mark = 0;
    // Only the endpoint itself may use the loopback address.
    if (ip->saddr == DP_LOOPBACK_IPV4 && packet->event.source_identity != interface->identity)
        return DROP(skb, packet, DP_DROP_INVALID_SOURCE);
    if (ip->daddr != interface->ipv4 && ip->daddr != DP_LOOPBACK_IPV4)
        return DROP(skb, packet, DP_DROP_UNKNOWN_ENDPOINT);

    struct flow *flow = flow_begin();
    int refused;

    if (!flow)
        return TC_ACT_SHOT;
    refused = l4_parse(skb);
    if (refused)
        return DROP(skb, packet, refused);
    return endpoint_receive(skb, packet, flow, config, interface, ip->saddr, ip->daddr, is_read);
}

const char datapath_license[] SEC("license") = "Dual BSD/GPL";
