// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Reads the transport header and fills the packet's tuple: ports, ICMP identifiers and, for an ICMP error, the tuple of
// the packet inside.
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ct_maps.h"
#include "datapath_abi.h"
#include "events.h"
#include "flow.h"
#include "icmp.h"
#include "ipv4.h"
#include "packet.h"
#include "subprogram.h"

// The identifier is the source port of a request and the destination port of an answer.
static __always_inline void icmp_echo_ports(struct dp_ct_key *tuple, __u8 type, __be16 identifier) {
    if (type == ICMP_ECHO)
        tuple->source_port = identifier;
    if (type == ICMP_ECHOREPLY)
        tuple->destination_port = identifier;
}

// Reads the packet that an ICMP error quotes: its IP header and at least 8 bytes (RFC 792), which hold the ports or the
// identifier of an echo. Returns -1 if it cannot be read.
static __always_inline int l4_parse_quoted(
    struct __sk_buff *skb, const struct packet *packet, struct flow *flow) {
    struct dp_ct_key *tuple = &flow->tuple;
    __u32 offset = packet->l4_offset + sizeof(struct icmp_header);
    struct icmp_header icmp;
    struct iphdr ip;

    if (bpf_skb_load_bytes(skb, offset, &ip, sizeof(ip)))
        return -1;
    if (ip.version != 4 || ip.ihl < 5 || ip.frag_off & bpf_htons(IPV4_OFFSET_MASK))
        return -1;
    if (bpf_skb_load_bytes(skb, offset + ip.ihl * 4, &icmp, sizeof(icmp)))
        return -1;
    // Source and destination are exchanged.
    tuple->source.word[0] = ip.daddr;
    tuple->destination.word[0] = ip.saddr;
    tuple->protocol = ip.protocol;
    if (ip.protocol == IPPROTO_TCP || ip.protocol == IPPROTO_UDP) {
        __be16 ports[2];

        __builtin_memcpy(ports, &icmp, sizeof(ports));
        tuple->source_port = ports[1];
        tuple->destination_port = ports[0];
    } else if (ip.protocol == IPPROTO_ICMP) {
        // An error is never about an error (RFC 1122, section 3.2.2).
        if (icmp.type != ICMP_ECHO && icmp.type != ICMP_ECHOREPLY)
            return -1;
        icmp_echo_ports(tuple, icmp.type == ICMP_ECHO ? ICMP_ECHOREPLY : ICMP_ECHO, icmp.identifier);
    }
    return 0;
}

static __always_inline int l4_parse_icmp(struct __sk_buff *skb, struct packet *packet, struct flow *flow) {
    struct dp_event *event = &packet->event;
    struct icmp_header icmp;

    if (bpf_skb_load_bytes(skb, packet->l4_offset, &icmp, sizeof(icmp)))
        return DP_DROP_TRUNCATED;
    event->icmp_type = icmp.type;
    event->icmp_code = icmp.code;
    event->source_port = bpf_ntohs(icmp.identifier);
    event->destination_port = bpf_ntohs(icmp.sequence);
    if (!icmp_is_error(icmp.type)) {
        icmp_echo_ports(&flow->tuple, icmp.type, icmp.identifier);
        return 0;
    }
    flow->flags |= FLOW_ICMP_ERROR;
    if (l4_parse_quoted(skb, packet, flow))
        flow->flags |= FLOW_UNRELATED;
    return 0;
}

static __always_inline void fragment_key(
    struct dp_fragment_key *key, const struct dp_ct_key *tuple, __u16 identification) {
    __builtin_memset(key, 0, sizeof(*key));
    key->source.word[0] = tuple->source.word[0];
    key->destination.word[0] = tuple->destination.word[0];
    key->identification = identification;
    key->protocol = tuple->protocol;
    key->family = tuple->family;
}

// Gives a later fragment the ports of the first one, if that came before it.
static __always_inline int l4_recall_ports(struct flow *flow, __u16 identification) {
    struct dp_ct_key *tuple = &flow->tuple;
    const struct dp_fragment_ports *ports;
    struct dp_fragment_key key;

    fragment_key(&key, tuple, identification);
    ports = bpf_map_lookup_elem(&dp_fragments, &key);
    if (!ports)
        return DP_DROP_FRAGMENT_NOT_FOUND;
    tuple->source_port = ports->source_port;
    tuple->destination_port = ports->destination_port;
    return 0;
}

static __always_inline void l4_remember_ports(const struct flow *flow, __u16 identification) {
    const struct dp_ct_key *tuple = &flow->tuple;
    struct dp_fragment_ports ports = {
        .source_port = tuple->source_port,
        .destination_port = tuple->destination_port,
    };
    struct dp_fragment_key key;

    fragment_key(&key, tuple, identification);
    // If the map cannot take the entry, the later fragments are dropped with the reason FRAGMENT_NOT_FOUND.
    bpf_map_update_elem(&dp_fragments, &key, &ports, BPF_ANY);
}

static __always_inline int l4_parse_ports(
    struct __sk_buff *skb, struct packet *packet, struct flow *flow, __u32 header) {
    struct dp_event *event = &packet->event;
    __be16 ports[2];

    if (packet->l4_offset + header > skb->len)
        return DP_DROP_TRUNCATED;
    if (bpf_skb_load_bytes(skb, packet->l4_offset, ports, sizeof(ports)))
        return DP_DROP_TRUNCATED;
    flow->tuple.source_port = ports[0];
    flow->tuple.destination_port = ports[1];
    event->source_port = bpf_ntohs(ports[0]);
    event->destination_port = bpf_ntohs(ports[1]);
    return 0;
}

#define UDP_HEADER_BYTES 8
#define TCP_HEADER_BYTES 20

// Fills the flow's tuple. The IPv4 header must be valid and described in the event. Returns 0 or a drop reason.
GLOBAL_SUBPROGRAM int l4_parse(struct __sk_buff *skb) {
    struct flow *flow = flow_lookup();

    if (!flow)
        return DP_DROP_TRUNCATED;

    struct packet *packet = &flow->packet;
    struct dp_event *event = &packet->event;
    struct dp_ct_key *tuple = &flow->tuple;
    __u16 identification = 0;
    int result = 0;

    tuple->family = DP_FAMILY_IPV4;
    tuple->protocol = event->protocol;
    tuple->source.word[0] = event->source.word[0];
    tuple->destination.word[0] = event->destination.word[0];
    if (event->flags & DP_EVENT_FRAGMENT) {
        bpf_skb_load_bytes(
            skb, sizeof(struct ethhdr) + offsetof(struct iphdr, id), &identification, sizeof(identification));
        if (!packet->l4_offset)
            return l4_recall_ports(flow, identification);
    }
    switch (event->protocol) {
    case IPPROTO_TCP:
        result = l4_parse_ports(skb, packet, flow, TCP_HEADER_BYTES);
        bpf_skb_load_bytes(skb, packet->l4_offset + TCP_FLAGS_OFFSET, &event->tcp_flags, 1);
        break;
    case IPPROTO_UDP:
        result = l4_parse_ports(skb, packet, flow, UDP_HEADER_BYTES);
        break;
    case IPPROTO_ICMP:
        result = l4_parse_icmp(skb, packet, flow);
        break;
    default:
        return 0;
    }
    if (result)
        return result;
    event->flags |= DP_EVENT_L4;
    if (event->flags & DP_EVENT_FRAGMENT)
        l4_remember_ports(flow, identification);
    return 0;
}
