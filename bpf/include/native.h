// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Native routing: sends to a pod of another node by the node's own routes, and past the stack if the kernel's tables
// know both the route and the neighbour.
#pragma once

#include <linux/bpf.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"
#include "eth.h"
#include "flow.h"
#include "flow_cache.h"
#include "forward.h"
#include "ipv4.h"
#include "packet.h"
#include "trace.h"

// sys/socket.h, which has AF_INET, does not compile for the BPF target.
#define NATIVE_FAMILY_IPV4 2

// Whatever the tables do not settle goes to the stack, which resolves the neighbour, fragments, or answers with an ICMP
// error. This is a function of its own because the lookup's parameters need much of the stack.
static __noinline int forward_native(
    struct __sk_buff *skb, struct packet *packet, const struct dp_config *config, struct ethhdr *eth) {
    struct iphdr *ip = ipv4_header(eth);
    struct flow *flow = flow_lookup();
    struct bpf_fib_lookup route = {
        .family = NATIVE_FAMILY_IPV4,
        .l4_protocol = ip->protocol,
        .tos = ip->tos,
        // Of a large send the kernel checks the segments' length instead.
        .tot_len = skb->gso_segs > 1 ? 0 : bpf_ntohs(ip->tot_len),
        .ipv4_src = ip->saddr,
        .ipv4_dst = ip->daddr,
        .ifindex = skb->ifindex,
    };

    if (ip->ttl <= 1 || bpf_fib_lookup(skb, &route, sizeof(route), 0) != BPF_FIB_LKUP_RET_SUCCESS)
        return forward_to_stack(skb, packet, config);
    ipv4_hop(ip);
    eth_rewrite(eth, route.dmac, route.smac);
    trace(skb, packet, config, DP_POINT_TO_NETWORK);
    if (flow)
        flow_cache_store(flow, FLOW_CACHE_TO_NETWORK, route.ifindex, route.dmac, route.smac, 0, 0);
    return bpf_redirect(route.ifindex, 0);
}
