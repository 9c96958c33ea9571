// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// The node itself: what its stack sends towards pods, and what arrives from the network.
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bandwidth.h"
#include "config.h"
#include "datapath_abi.h"
#include "direct_return.h"
#include "drop.h"
#include "eth.h"
#include "flow_cache.h"
#include "forward.h"
#include "ipv4.h"
#include "lookup.h"
#include "masquerade.h"
#include "netfilter.h"
#include "node_service.h"
#include "packet.h"
#include "proxy.h"
#include "trace.h"

// The egress of the host device: packets to local and remote pods, as the stack's routes send them. The stack has
// already taken the hop from the TTL.
SEC("tc")
int from_host(struct __sk_buff *skb) {
    struct packet *packet = packet_begin(skb, DP_POINT_FROM_HOST, DP_EGRESS);

    if (!packet)
        return TC_ACT_SHOT;

    const struct dp_config *config = config_lookup();

    if (!config)
        return DROP(skb, packet, DP_DROP_NOT_CONFIGURED);

    struct ethhdr *eth = packet_header(skb, sizeof(*eth));

    if (!eth)
        return DROP(skb, packet, DP_DROP_TRUNCATED);
    packet->event.ethertype = eth_protocol(skb, eth);
    if (packet->event.ethertype != ETH_P_IP)
        return TC_ACT_OK;

    eth = ipv4_validate(skb, packet);
    if (!eth)
        return TC_ACT_SHOT;

    struct iphdr *ip = ipv4_header(eth);
    __be32 destination = ip->daddr;
    const struct dp_endpoint *endpoint = endpoint_lookup_ipv4(destination);
    const struct dp_ipcache_entry *entry = endpoint ? NULL : ipcache_lookup_ipv4(destination);

    packet->event.source_identity = identity_of_ipv4(ip->saddr);
    packet->event.destination_identity = endpoint ? endpoint->identity : entry ? entry->identity : DP_IDENTITY_WORLD;
    trace(skb, packet, config, DP_POINT_FROM_HOST);
    if (netfilter_serves(config))
        netfilter_note(skb, ip->saddr, endpoint, entry && entry->tunnel_family);
    eth = packet_header(skb, IPV4_FRAME_BYTES);
    if (!eth)
        return DROP(skb, packet, DP_DROP_TRUNCATED);
    if (endpoint && endpoint->flags & DP_ENDPOINT_HOST)
        return forward_to_stack(skb, packet, config);
    if (endpoint) {
        int is_read = proxy_sent(skb);
        int verdict = forward_to_endpoint(skb, packet, eth, endpoint);

        if (is_read)
            proxy_mark_sent(skb);
        return verdict;
    }
    if (config_is_local_pod(config, destination))
        return DROP(skb, packet, DP_DROP_UNKNOWN_ENDPOINT);
    if (entry && entry->tunnel_family) {
        // This is a call from outside, to a service that has a backend there.
        if (config->flags & DP_CONFIG_NODE_SERVICES && packet->event.source_identity != DP_IDENTITY_HOST) {
            const struct dp_nat_config *nat = nat_config_lookup();
            int way = nat ? node_service_egress(skb) : NODE_SERVICE_NONE;

            if (nat && way == NODE_SERVICE_CALL) {
                way = masquerade_leave(skb, config->router_ipv4, DP_NAT_SERVICE);
                if (!way)
                    packet->event.source.word[0] = config->router_ipv4;
            } else if (way == NODE_SERVICE_DIRECT) {
                way = direct_announce(skb);
            }
            if (way < 0)
                return DROP(skb, packet, way);
        }
        // The identity "host" means this node. To the receiver this node is a remote one.
        if (packet->event.source_identity == DP_IDENTITY_HOST)
            packet->event.source_identity = DP_IDENTITY_REMOTE_NODE;
        return forward_to_overlay(skb, packet, config, entry);
    }
    if (config_is_cluster_pod(config, destination))
        return DROP(skb, packet, DP_DROP_NO_TUNNEL_ENDPOINT);
    return forward_to_stack(skb, packet, config);
}

// The ingress of the host device: it carries what a program sent to the proxy, and what is for the stack.
SEC("tc")
int to_proxy(struct __sk_buff *skb) {

    if ((skb->mark & DP_MARK_IDENTITY_MASK) != DP_MARK_TO_PROXY)
        return TC_ACT_OK;
    struct packet *packet = packet_begin(skb, DP_POINT_TO_PROXY, DP_INGRESS);

    if (!packet)
        return TC_ACT_SHOT;
    return proxy_receive(skb, packet);
}

// VXLAN (RFC 7348, section 5: flags, reserved) and Geneve without options (RFC 8926, section 3.4: version, option
// length, flags, protocol) both have eight bytes, with the VNI in the upper 24 bits of the second word. The inner
// Ethernet header follows.
struct tunnel_outer {
    struct udphdr udp;
    __be32 first;
    __be32 vni;
    struct ethhdr eth;
} __attribute__((packed));

#define VXLAN_VNI_PRESENT 0x08000000
#define GENEVE_ETHERNET 0x00006558

// The packet is for the node's own end of the overlay, at a port that no masqueraded flow can have. Nothing else needs
// to be looked up for it.
static __always_inline int tunnel_is_called(
    struct __sk_buff *skb, const struct packet *packet, const struct dp_config *config) {
    __be16 port = 0;

    if (packet->event.protocol != IPPROTO_UDP || !packet->l4_offset)
        return 0;
    if (!config->tunnel_port || config->tunnel_port >= DP_NAT_MIN_PORT)
        return 0;
    if (packet->event.destination.word[0] != config->node_ipv4)
        return 0;
    bpf_skb_load_bytes(skb, packet->l4_offset + offsetof(struct udphdr, dest), &port, sizeof(port));
    return port == bpf_htons(config->tunnel_port);
}

// Describes the inner packet, so that every point of a flow's path shows the same addresses.
static __always_inline void tunnel_describe(
    struct __sk_buff *skb, struct packet *packet, const struct dp_config *config) {
    struct dp_event *event = &packet->event;
    __u32 offset = packet->l4_offset;
    struct tunnel_outer outer;
    struct iphdr ip;

    if (!offset || event->protocol != IPPROTO_UDP)
        return;
    if (bpf_skb_load_bytes(skb, offset, &outer, sizeof(outer)))
        return;
    if (outer.udp.dest != bpf_htons(config->tunnel_port) || outer.eth.h_proto != bpf_htons(ETH_P_IP))
        return;
    if (outer.first != bpf_htonl(VXLAN_VNI_PRESENT) && outer.first != bpf_htonl(GENEVE_ETHERNET))
        return;
    offset += sizeof(outer);
    if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
        return;
    event->flags = DP_EVENT_ENCAPSULATED;
    event->tunnel_family = DP_FAMILY_IPV4;
    event->tunnel_remote.word[0] = event->source.word[0];
    event->tunnel_id = bpf_ntohl(outer.vni) >> 8;
    event->source_identity = event->tunnel_id;
    ipv4_describe(packet, &ip, offset);
}

// The ingress of a network device of the node. Answers to masqueraded flows go to their pods, and calls of services to
// backends. Everything else passes, so that the node keeps its network whatever arrives.
SEC("tc")
int from_netdev(struct __sk_buff *skb) {
    const struct dp_config *config = config_lookup();
    const struct dp_nat_config *nat = nat_config_lookup();

    if (!config)
        return TC_ACT_OK;

    // A longer answer than pods may receive goes through the stack.
    int is_answer = nat && nat->flags & DP_NAT_MASQUERADE && (skb->gso_segs || skb->len <= nat->pod_mtu + ETH_HLEN);
    int verdict =
        is_answer ? flow_cache_forward(skb, config, DP_INGRESS, DP_POINT_FROM_NETWORK, 0, 1) : flow_cache_pass();

    if (verdict != TC_ACT_UNSPEC)
        return verdict;

    struct packet *packet = packet_begin(skb, DP_POINT_FROM_NETWORK, DP_INGRESS);

    if (!packet)
        return TC_ACT_OK;

    struct ethhdr *eth = packet_header(skb, IPV4_FRAME_BYTES);
    int is_ipv4 = eth && eth_protocol(skb, eth) == ETH_P_IP;
    struct iphdr *ip = is_ipv4 ? ipv4_header(eth) : NULL;
    __be16 identification = ip ? ip->id : 0;
    int has_options = ip && ip->ihl * 4 > (int)sizeof(*ip);

    if (ip && !ipv4_is_valid(ip, skb->len - sizeof(*eth)))
        is_ipv4 = 0;
    if (ip)
        ipv4_describe(packet, ip, sizeof(*eth));
    if (is_ipv4) {
        __u32 l4_offset = packet->l4_offset;

        if (trace_wanted(config, DP_POINT_FROM_NETWORK))
            tunnel_describe(skb, packet, config);
        trace(skb, packet, config, DP_POINT_FROM_NETWORK);
        if (packet->event.flags & DP_EVENT_ENCAPSULATED)
            return TC_ACT_OK;
        packet->l4_offset = l4_offset;
        if (tunnel_is_called(skb, packet, config))
            return TC_ACT_OK;

        if (has_options && config->flags & DP_CONFIG_DIRECT_RETURN && config_is_native(config)) {
            int refused = direct_receive_natively(skb, packet);

            if (refused)
                return DROP(skb, packet, refused);
        }

        verdict = masquerade_ingress(skb, packet, config, identification);

        if (verdict != TC_ACT_UNSPEC)
            return verdict;
        return config->flags & DP_CONFIG_NODE_SERVICES ? node_service_ingress(skb) : TC_ACT_OK;
    }
    trace(skb, packet, config, DP_POINT_FROM_NETWORK);
    return TC_ACT_OK;
}

// The egress of a network device of the node. Packets of pods that leave the cluster's ranges take the device's
// address, and answers to calls from outside take the frontend's.
SEC("tc")
int to_netdev(struct __sk_buff *skb) {
    const struct dp_config *config = config_lookup();
    const struct dp_nat_config *nat = nat_config_lookup();

    if (!config || !nat)
        return TC_ACT_OK;

    // Only masquerade puts flows of this hook into the cache.
    int verdict = nat->flags & DP_NAT_MASQUERADE && !config_paces_pods(config)
                      ? flow_cache_forward(skb, config, DP_EGRESS, DP_POINT_TO_NETWORK, 0, 1)
                      : flow_cache_pass();

    if (verdict != TC_ACT_UNSPEC)
        return verdict;

    const struct dp_device *device = device_lookup(skb->ifindex);
    struct packet *packet = packet_begin(skb, DP_POINT_TO_NETWORK, DP_EGRESS);

    if (!device || !packet)
        return TC_ACT_OK;

    struct ethhdr *eth = packet_header(skb, IPV4_FRAME_BYTES);

    if (!eth || eth_protocol(skb, eth) != ETH_P_IP)
        return TC_ACT_OK;

    struct iphdr *ip = ipv4_header(eth);

    if (!ipv4_is_valid(ip, skb->len - sizeof(*eth)))
        return TC_ACT_OK;
    ipv4_describe(packet, ip, sizeof(*eth));

    __be32 source = ip->saddr;
    int is_node = source == device->ipv4;
    int way = NODE_SERVICE_NONE;
    int leaves = MASQUERADE_NONE;

    if (config_paces_pods(config) && bandwidth_pace(skb, source))
        return DROP(skb, packet, DP_DROP_BANDWIDTH_EXCEEDED);

    int known = is_node ? MASQUERADE_NOT_KNOWN : masquerade_continue(skb, packet, nat, device->ipv4);

    if (known < 0)
        return DROP(skb, packet, known);
    if (!known) {
        struct flow *flow = flow_lookup();

        if (flow)
            flow_cache_store(flow, FLOW_CACHE_ON, 0, NULL, NULL, 0, 0);
    } else {
        if (config->flags & DP_CONFIG_NODE_SERVICES && !is_node)
            way = node_service_egress(skb);
        if (way < 0)
            return DROP(skb, packet, way);
        // Only a pod can answer directly. If there is an overlay, the pod is reached through that instead.
        if (way == NODE_SERVICE_DIRECT && config_is_native(config) &&
            direct_reaches_pod(packet->event.destination.word[0])) {
            int refused = direct_announce_natively(skb, packet, config);

            if (refused)
                return DROP(skb, packet, refused);
        } else if (way == NODE_SERVICE_CALL || way == NODE_SERVICE_DIRECT)
            leaves = DP_NAT_SERVICE;
        else if (way == NODE_SERVICE_NONE)
            leaves = masquerade_due(packet, config, nat, device);
        if (leaves != MASQUERADE_NONE && device->ipv4 &&
            masquerade_egress(skb, packet, device->ipv4, leaves) != TC_ACT_OK)
            return TC_ACT_SHOT;
    }
    // The node's own packets, most of which are the overlay's, are neither counted nor reported here.
    if (is_node)
        return TC_ACT_OK;
    if (trace_wanted(config, DP_POINT_TO_NETWORK)) {
        // The event shows the source with which the packet leaves: the node's address or the pod's own.
        bpf_skb_load_bytes(
            skb, sizeof(*eth) + offsetof(struct iphdr, saddr), &packet->event.source.word[0], sizeof(__be32));
        packet->event.source_identity = identity_of_ipv4(source);
        packet->event.destination_identity = identity_of_ipv4(packet->event.destination.word[0]);
    }
    trace(skb, packet, config, DP_POINT_TO_NETWORK);
    return TC_ACT_OK;
}

const char datapath_license[] SEC("license") = "Dual BSD/GPL";
