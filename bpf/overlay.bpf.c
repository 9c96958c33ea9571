// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// The VXLAN or Geneve device in external mode: its ingress is what came out of the tunnel, its egress is what goes in.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bandwidth.h"
#include "config.h"
#include "datapath_abi.h"
#include "deliver.h"
#include "direct_return.h"
#include "drop.h"
#include "eth.h"
#include "flow_cache.h"
#include "forward.h"
#include "ipv4.h"
#include "lookup.h"
#include "masquerade.h"
#include "netfilter.h"
#include "packet.h"
#include "path_mtu.h"
#include "trace.h"

// The identities 0 and "host" never travel, as a node presents itself to others as a remote node. Identities of address
// ranges do not travel either, since each node numbers its own.
static __always_inline int identity_may_travel(__u32 identity) {
    return identity > DP_IDENTITY_HOST && identity <= DP_IDENTITY_LAST_LABEL;
}

// The packet is for the node's own address. If it answers an outside caller whom this node led to a backend, it goes on
// to that caller.
static __always_inline int overlay_to_host(
    struct __sk_buff *skb, struct packet *packet, const struct dp_config *config, struct ethhdr *eth) {
    const struct dp_nat_config *nat = nat_config_lookup();

    if (config->flags & DP_CONFIG_NODE_SERVICES && nat) {
        int changed = masquerade_answer(skb, ipv4_header(eth)->id);

        if (changed < 0)
            return DROP(skb, packet, changed);
        eth = packet_header(skb, IPV4_FRAME_BYTES);
        if (!eth)
            return DROP(skb, packet, DP_DROP_TRUNCATED);
    }
    return forward_to_host(skb, packet, config, eth);
}

SEC("tc")
int from_overlay(struct __sk_buff *skb) {
    struct bpf_tunnel_key key = {};
    const struct dp_config *config = config_lookup();
    long no_key = bpf_skb_get_tunnel_key(skb, &key, TUNNEL_KEY_SIZE, 0);

    if (config && !no_key) {
        // Only callers from outside arrive with the identity "world", and the frontend that they called with an option.
        int verdict = config->flags & DP_CONFIG_DIRECT_RETURN && key.tunnel_id == DP_IDENTITY_WORLD
                          ? flow_cache_pass()
                          : flow_cache_forward(skb, config, DP_INGRESS, DP_POINT_FROM_OVERLAY, key.tunnel_id, 0);

        if (verdict != TC_ACT_UNSPEC)
            return verdict;
    }

    struct packet *packet = packet_begin(skb, DP_POINT_FROM_OVERLAY, DP_INGRESS);

    if (!packet)
        return TC_ACT_SHOT;
    if (!config)
        return DROP(skb, packet, DP_DROP_NOT_CONFIGURED);
    if (no_key)
        return DROP(skb, packet, DP_DROP_NO_TUNNEL_KEY);
    packet->event.flags |= DP_EVENT_ENCAPSULATED;
    packet->event.tunnel_family = DP_FAMILY_IPV4;
    packet->event.tunnel_remote.word[0] = bpf_htonl(key.remote_ipv4);
    packet->event.tunnel_id = key.tunnel_id;
    packet->event.source_identity = key.tunnel_id;

    struct ethhdr *eth = packet_header(skb, sizeof(*eth));

    if (!eth)
        return DROP(skb, packet, DP_DROP_TRUNCATED);
    packet->event.ethertype = eth_protocol(skb, eth);
    if (packet->event.ethertype != ETH_P_IP)
        return DROP(skb, packet, DP_DROP_UNSUPPORTED_L3);

    eth = ipv4_validate(skb, packet);
    if (!eth)
        return TC_ACT_SHOT;

    struct iphdr *ip = ipv4_header(eth);
    const struct dp_endpoint *endpoint = endpoint_lookup_ipv4(ip->daddr);

    packet->event.destination_identity = endpoint ? endpoint->identity : DP_IDENTITY_UNKNOWN;
    if (!identity_may_travel(key.tunnel_id))
        return DROP(skb, packet, DP_DROP_INVALID_IDENTITY);
    trace(skb, packet, config, DP_POINT_FROM_OVERLAY);
    if (!endpoint)
        return DROP(skb, packet, DP_DROP_UNKNOWN_ENDPOINT);
    if (endpoint->flags & DP_ENDPOINT_HOST)
        return overlay_to_host(skb, packet, config, eth);
    packet->event.endpoint_id = endpoint->id;
    // Only callers from outside arrive with the identity "world".
    if (config->flags & DP_CONFIG_DIRECT_RETURN && key.tunnel_id == DP_IDENTITY_WORLD) {
        int refused = direct_receive(skb);

        if (refused)
            return DROP(skb, packet, refused);
        eth = packet_header(skb, IPV4_FRAME_BYTES);
        if (!eth)
            return DROP(skb, packet, DP_DROP_TRUNCATED);
        ip = ipv4_header(eth);
    }
    if (path_mtu_exceeded(skb, ip, config)) {
        path_mtu_refused(skb, packet, ip);
        return redirect_to_stack(config, eth);
    }
    if (ip->ttl <= 1) {
        // It counts as a drop, and goes to the stack, which discards it with the ICMP error that traceroute waits for.
        DROP_RECORD(skb, packet, DP_DROP_TTL_EXCEEDED);
        return redirect_to_stack(config, eth);
    }
    if (netfilter_serves(config)) {
        int answers = netfilter_answers(skb);

        eth = packet_header(skb, IPV4_FRAME_BYTES);
        if (!eth)
            return DROP(skb, packet, DP_DROP_TRUNCATED);
        ip = ipv4_header(eth);
        if (answers)
            return forward_to_host(skb, packet, config, eth);
    }
    // A mark carries the identity that travelled, and to_container looks up the address range by itself. Without a mark
    // it is looked up here.
    if (endpoint->flags & DP_ENDPOINT_PEER)
        packet->event.source_identity = identity_in_world(packet->event.source_identity, ip->saddr);
    ipv4_hop(ip);
    return forward_to_delivery(skb, packet, flow_begin(), eth, endpoint);
}

// Only what our programs redirect here has a tunnel key. The device would discard anything else silently.
SEC("tc")
int to_overlay(struct __sk_buff *skb) {
    struct bpf_tunnel_key key = {};
    struct packet *packet = packet_begin(skb, DP_POINT_TO_OVERLAY, DP_EGRESS);

    if (!packet)
        return TC_ACT_SHOT;
    if (bpf_skb_get_tunnel_key(skb, &key, TUNNEL_KEY_SIZE, 0))
        return DROP(skb, packet, DP_DROP_NO_TUNNEL_KEY);

    const struct dp_config *config = config_lookup();

    if (!config || !config_paces_pods(config))
        return TC_ACT_OK;

    struct ethhdr *eth = packet_header(skb, IPV4_FRAME_BYTES);

    if (!eth || eth_protocol(skb, eth) != ETH_P_IP)
        return TC_ACT_OK;
    ipv4_describe(packet, ipv4_header(eth), sizeof(*eth));
    // After encapsulation the packet has the node's address, so the pod's rate is applied here.
    if (bandwidth_pace(skb, packet->event.source.word[0]))
        return DROP(skb, packet, DP_DROP_BANDWIDTH_EXCEEDED);
    return TC_ACT_OK;
}

const char datapath_license[] SEC("license") = "Dual BSD/GPL";
