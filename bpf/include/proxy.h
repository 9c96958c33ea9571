// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// The way through the node's proxies, which listen in the node's own network namespace for any address
// (IP_TRANSPARENT).
//
// Rules about what comes to a pod are applied at the server's node:
//
//   client ─ to_container ─ labrun_host ingress: to_proxy ─ the proxy's connection with the client, as the pod
//   the proxy's connection with the pod, as the client ─ from_host ─ to_container ─ pod ─ from_container ─ proxy
//
// Rules about where a pod goes are applied at the client's node. The proxy calls the server under the pod's address and
// a port of its own. It enters that connection itself (in dp_ct_tcp or dp_ct_any), so that what comes back is known:
//
//   pod ─ from_container ─ labrun_host ingress: to_proxy ─ the proxy's connection with the pod, as the server
//   the server's answers ─ to_container ─ labrun_host ingress: to_proxy ─ the proxy ─ from_host ─ to_container ─ pod
//
// A routing rule of the node leads packets with the mark to a local socket, whatever their address. The conntrack
// entries of both connections have the flag DP_CT_PROXY.
#pragma once

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "config.h"
#include "datapath_abi.h"
#include "drop.h"
#include "eth.h"
#include "flow.h"
#include "forward.h"
#include "ipv4.h"
#include "packet.h"
#include "trace.h"

#define PROXY_LOOPBACK 0x7F000001
// The kernel's net/tcp_states.h is not available here: this is TCP_LISTEN.
#define PROXY_TCP_LISTEN 10
// The state of a datagram socket that has a peer (TCP_ESTABLISHED).
#define PROXY_UDP_CONNECTED 1

// Says whether the proxy sent the packet: its sockets have this mark, and from_host passes it on.
static __always_inline int proxy_sent(const struct __sk_buff *skb) {
    return (skb->mark & DP_MARK_IDENTITY_MASK) == DP_MARK_FROM_PROXY;
}

// Must follow forward_to_endpoint, whose own mark carries only the identity.
static __always_inline void proxy_mark_sent(struct __sk_buff *skb) {
    skb->mark = DP_MARK_FROM_PROXY;
}

static __always_inline void proxy_mark(
    struct __sk_buff *skb, struct packet *packet, const struct dp_config *config, const struct flow *flow) {
    trace(skb, packet, config, DP_POINT_TO_PROXY);
    skb->mark = DP_MARK_TO_PROXY | flow->connection.proxy_port;
}

// Sends a packet for the pod, or for its peer, into the stack through the host device. to_proxy finds the listener
// there.
static __always_inline int proxy_to_listener(
    struct __sk_buff *skb, struct packet *packet, const struct dp_config *config, const struct flow *flow) {
    struct ethhdr *eth = packet_header(skb, IPV4_FRAME_BYTES);

    if (!eth)
        return DROP(skb, packet, DP_DROP_TRUNCATED);
    eth_rewrite(eth, config->host_mac, config->host_mac);
    proxy_mark(skb, packet, config, flow);
    return bpf_redirect(config->host_ifindex, BPF_F_INGRESS);
}

// Passes a packet of the pod to the stack, which knows the proxy's connection by its tuple.
static __always_inline int proxy_from_endpoint(
    struct __sk_buff *skb, struct packet *packet, const struct dp_config *config, const struct flow *flow) {
    proxy_mark(skb, packet, config, flow);
    return TC_ACT_OK;
}

// Returns 1 if the tuple has a connection of its own, and 0 if there is no socket or only a listening one.
static __always_inline int proxy_is_connected(struct __sk_buff *skb, struct bpf_sock_tuple *tuple) {
    struct bpf_sock *socket = bpf_skc_lookup_tcp(skb, tuple, sizeof(tuple->ipv4), BPF_F_CURRENT_NETNS, 0);
    int is_connected;

    if (!socket)
        return 0;
    is_connected = socket->state != PROXY_TCP_LISTEN;
    bpf_sk_release(socket);
    return is_connected;
}

// Gives the packet to the proxy's listening socket. Returns 0, or -1 if there is none.
static __always_inline int proxy_assign(struct __sk_buff *skb, __be16 port) {
    struct bpf_sock_tuple tuple = {.ipv4 = {.daddr = bpf_htonl(PROXY_LOOPBACK), .dport = port}};
    struct bpf_sock *socket = bpf_skc_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
    int refused = -1;

    if (!socket)
        return -1;
    if (socket->state == PROXY_TCP_LISTEN)
        refused = bpf_sk_assign(skb, socket, 0);
    bpf_sk_release(socket);
    return refused ? -1 : 0;
}

// Leaves a datagram to the socket that talks with its sender, or gives it to the proxy's. Returns 0, or -1 if there is
// neither.
static __noinline int proxy_assign_datagram(struct __sk_buff *skb, struct bpf_sock_tuple *tuple, __u32 port) {
    struct bpf_sock *socket = bpf_sk_lookup_udp(skb, tuple, sizeof(tuple->ipv4), BPF_F_CURRENT_NETNS, 0);
    struct bpf_sock_tuple own = {.ipv4 = {.daddr = bpf_htonl(PROXY_LOOPBACK), .dport = (__be16)port}};
    int refused = -1;

    if (socket) {
        int is_connected = socket->state == PROXY_UDP_CONNECTED;

        bpf_sk_release(socket);
        if (is_connected)
            return 0;
    }
    socket = bpf_sk_lookup_udp(skb, &own, sizeof(own.ipv4), BPF_F_CURRENT_NETNS, 0);
    if (!socket)
        return -1;
    if (socket->src_ip4 == bpf_htonl(PROXY_LOOPBACK))
        refused = bpf_sk_assign(skb, socket, 0);
    bpf_sk_release(socket);
    return refused ? -1 : 0;
}

// At the ingress of the host device: handles what proxy_to_listener sent there.
static __always_inline int proxy_receive(struct __sk_buff *skb, struct packet *packet) {
    __be16 port = skb->mark & 0xFFFF;
    struct bpf_sock_tuple tuple = {};
    struct ethhdr *eth = ipv4_validate(skb, packet);

    if (!eth)
        return TC_ACT_SHOT;
    // Later fragments and ICMP errors belong to connections that exist already.
    if ((packet->event.protocol != IPPROTO_TCP && packet->event.protocol != IPPROTO_UDP) || !packet->l4_offset)
        return TC_ACT_OK;
    tuple.ipv4.saddr = packet->event.source.word[0];
    tuple.ipv4.daddr = packet->event.destination.word[0];
    // The source and destination ports are adjacent in the tuple, as they are in the packet.
    if (bpf_skb_load_bytes(skb, packet->l4_offset, &tuple.ipv4.sport, 4))
        return DROP(skb, packet, DP_DROP_TRUNCATED);
    packet->event.source_port = bpf_ntohs(tuple.ipv4.sport);
    packet->event.destination_port = bpf_ntohs(tuple.ipv4.dport);
    packet->event.flags |= DP_EVENT_L4;
    if (packet->event.protocol == IPPROTO_UDP) {
        if (proxy_assign_datagram(skb, &tuple, port))
            return DROP(skb, packet, DP_DROP_PROXY_UNAVAILABLE);
        return TC_ACT_OK;
    }
    if (proxy_is_connected(skb, &tuple))
        return TC_ACT_OK;
    if (proxy_assign(skb, port))
        return DROP(skb, packet, DP_DROP_PROXY_UNAVAILABLE);
    return TC_ACT_OK;
}
