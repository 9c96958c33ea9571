// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Direct server return. A call from outside goes on to another node's pod under the caller's own address, with an IPv4
// option that says which frontend was called. The pod's node removes the option, remembers the frontend and sends the
// answers directly to the caller. Through the overlay the call travels with the identity "world"; with native routing
// its source must belong to nobody in the cluster.
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ct_entry.h"
#include "datapath_abi.h"
#include "drop.h"
#include "flow.h"
#include "l4.h"
#include "lookup.h"
#include "nat_rewrite.h"
#include "node_flow.h"
#include "packet.h"
#include "service_select.h"
#include "subprogram.h"

#define DIRECT_OPTION_BYTES ((int)sizeof(struct dp_direct_option))
#define DIRECT_OPTION_OFFSET (ETH_HLEN + sizeof(struct iphdr))
// The longest IPv4 header, in 32-bit words.
#define IPV4_MAX_IHL 15

static __always_inline __be16 ipv4_first_word(const struct iphdr *ip) {
    return bpf_htons(ip->version << 12 | ip->ihl << 8 | ip->tos);
}

// Writes the fixed header with or without the option, and updates its checksum and skb->csum.
static __always_inline int direct_write_header(
    struct __sk_buff *skb, struct iphdr *ip, const struct dp_direct_option *option, int is_added) {
    __be16 words[4] = {
        bpf_htons(option->type << 8 | option->length),
        option->port,
        option->address & 0xFFFF,
        option->address >> 16,
    };
    __be16 first = ipv4_first_word(ip);
    __be16 length = ip->tot_len;
    int bytes = is_added ? DIRECT_OPTION_BYTES : -DIRECT_OPTION_BYTES;

    ip->ihl += bytes / 4;
    ip->tot_len = bpf_htons(bpf_ntohs(length) + bytes);
    ip->check = checksum_replace2(ip->check, first, ipv4_first_word(ip));
    ip->check = checksum_replace2(ip->check, length, ip->tot_len);
#pragma unroll
    for (int index = 0; index < 4; index++)
        ip->check = is_added ? checksum_replace2(ip->check, 0, words[index])
                             : checksum_replace2(ip->check, words[index], 0);
    return bpf_skb_store_bytes(skb, ETH_HLEN, ip, sizeof(*ip), BPF_F_RECOMPUTE_CSUM) ? -1 : 0;
}

// Of TCP, only the segment that opens the connection carries the frontend. Every datagram does, except for later
// fragments.
static __always_inline int direct_is_announced(const struct packet *packet) {
    if (packet->event.protocol == IPPROTO_TCP)
        return packet->l4_offset && ct_is_opening_segment(packet);
    return packet->event.protocol == IPPROTO_UDP && packet->l4_offset;
}

// Adds the option to a call that node_service_egress found. Returns 0 or a drop reason.
GLOBAL_SUBPROGRAM int direct_announce(struct __sk_buff *skb) {
    struct flow *flow = flow_lookup();
    const struct dp_revnat *frontend;
    struct dp_direct_option option;
    struct iphdr ip;
    __u32 index;

    if (!flow || !direct_is_announced(&flow->packet))
        return 0;
    index = flow->connection.rev_nat;
    frontend = bpf_map_lookup_elem(&dp_revnat, &index);
    if (!frontend)
        return DP_DROP_UNKNOWN_FRONTEND;
    option.type = DP_DIRECT_OPTION_TYPE;
    option.length = DIRECT_OPTION_BYTES;
    option.port = frontend->port;
    option.address = frontend->address.word[0];
    if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.ihl > IPV4_MAX_IHL - DIRECT_OPTION_BYTES / 4 ||
        bpf_ntohs(ip.tot_len) > 0xFFFF - DIRECT_OPTION_BYTES)
        return DP_DROP_SERVICE_REFUSED;
    if (bpf_skb_adjust_room(skb, DIRECT_OPTION_BYTES, BPF_ADJ_ROOM_NET, 0) ||
        bpf_skb_store_bytes(skb, DIRECT_OPTION_OFFSET, &option, sizeof(option), BPF_F_RECOMPUTE_CSUM) ||
        direct_write_header(skb, &ip, &option, 1))
        return DP_DROP_SERVICE_REFUSED;
    flow->packet.l4_offset += DIRECT_OPTION_BYTES;
    return 0;
}

// Receives a packet of an outside caller that another node led here: removes the option and remembers the frontend.
// Returns 0, also for a packet without the option, or a drop reason.
GLOBAL_SUBPROGRAM int direct_receive(struct __sk_buff *skb) {
    struct flow *flow = flow_lookup();

    if (!flow)
        return 0;

    struct packet *packet = &flow->packet;
    struct dp_direct_option option;
    struct dp_service_key key = {};
    const struct dp_service *service;
    struct iphdr ip;
    int refused;

    if (packet->event.protocol != IPPROTO_TCP && packet->event.protocol != IPPROTO_UDP)
        return 0;
    if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)) || ip.ihl * 4 < (int)(sizeof(ip) + sizeof(option)))
        return 0;
    if (bpf_skb_load_bytes(skb, DIRECT_OPTION_OFFSET, &option, sizeof(option)) ||
        option.type != DP_DIRECT_OPTION_TYPE || option.length != DIRECT_OPTION_BYTES)
        return 0;
    key.address.word[0] = option.address;
    key.port = option.port;
    key.protocol = packet->event.protocol;
    key.family = DP_FAMILY_IPV4;
    service = service_lookup(&key, 0);
    if (!service)
        return DP_DROP_UNKNOWN_FRONTEND;
    if (bpf_skb_adjust_room(skb, -DIRECT_OPTION_BYTES, BPF_ADJ_ROOM_NET, 0) ||
        direct_write_header(skb, &ip, &option, 0))
        return DP_DROP_SERVICE_REFUSED;
    if (packet->l4_offset)
        packet->l4_offset -= DIRECT_OPTION_BYTES;
    flow = flow_begin();
    if (!flow)
        return DP_DROP_SERVICE_REFUSED;
    refused = l4_parse(skb);
    if (refused)
        return refused;
    flow->connection.rev_nat = service->rev_nat;
    flow->connection.flags = DP_CT_DIRECT;
    return node_flow_remember(packet, flow);
}

// With native routing, only a pod can be told of the frontend. A backend in a node's own network namespace answers from
// a socket, past the programs that would use the frontend's address.
static __always_inline int direct_reaches_pod(__be32 address) {
    const struct dp_ipcache_entry *entry = ipcache_lookup_ipv4(address);

    return entry && entry->identity >= DP_IDENTITY_FIRST_LABEL && entry->identity < DP_IDENTITY_FIRST_LOCAL;
}

// Adds the option to a call that leaves by a device of the node. Returns 0 or a drop reason. A packet that the option
// makes too long is refused, because nothing after the stack would fragment it.
static __always_inline int direct_announce_natively(
    struct __sk_buff *skb, struct packet *packet, const struct dp_config *config) {
    if (!direct_is_announced(packet))
        return 0;
    if (config->route_mtu && skb->gso_segs <= 1 && skb->len > ETH_HLEN + config->route_mtu - DIRECT_OPTION_BYTES)
        return DP_DROP_FRAGMENTATION_NEEDED;
    return direct_announce(skb);
}

// Receives a packet with IP options from a device of the node. Returns 0, also if it is no such call, or a drop reason.
static __always_inline int direct_receive_natively(struct __sk_buff *skb, struct packet *packet) {
    const struct dp_endpoint *endpoint = endpoint_lookup_ipv4(packet->event.destination.word[0]);
    __u32 source;

    if (!endpoint || endpoint->flags & DP_ENDPOINT_HOST)
        return 0;
    source = identity_of_ipv4(packet->event.source.word[0]);
    if (source != DP_IDENTITY_WORLD && source < DP_IDENTITY_FIRST_LOCAL)
        return 0;
    packet->event.source_identity = DP_IDENTITY_WORLD;
    return direct_receive(skb);
}
