// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Masquerade: pods leave by a node device under the device's address, and the answers are led back to them.
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "config.h"
#include "datapath_abi.h"
#include "deliver.h"
#include "drop.h"
#include "flow_cache.h"
#include "forward.h"
#include "icmp.h"
#include "ipv4.h"
#include "lookup.h"
#include "nat.h"
#include "nat_rewrite.h"
#include "packet.h"
#include "subprogram.h"
#include "trace.h"

static __always_inline struct dp_nat_key *nat_key_begin(struct dp_nat_key *key, enum dp_direction direction) {
    __builtin_memset(key, 0, sizeof(*key));
    key->family = DP_FAMILY_IPV4;
    key->direction = direction;
    return key;
}

static __always_inline int masquerade_is_excluded(__be32 destination) {
    struct dp_ipcache_key key = {
        .prefix_length = DP_IPCACHE_STATIC_BITS + 32,
        .family = DP_FAMILY_IPV4,
        .address.word[0] = destination,
    };

    return bpf_map_lookup_elem(&dp_nat_exclude, &key) != NULL;
}

// Says whether packets to this address keep their source, whoever sends them.
static __always_inline int masquerade_is_inside(
    const struct dp_config *config, const struct dp_nat_config *nat, __be32 destination) {
    if (config_is_cluster_pod(config, destination) || !ipv4_is_unicast(destination))
        return 1;

    const struct dp_endpoint *endpoint = endpoint_lookup_ipv4(destination);

    if (endpoint)
        return 1;

    const struct dp_ipcache_entry *entry = ipcache_lookup_ipv4(destination);

    if (entry && entry->identity == DP_IDENTITY_REMOTE_NODE && !(nat->flags & DP_NAT_REMOTE_NODES))
        return 1;
    return 0;
}

// Reads the flow that an ICMP error at `icmp_offset` is about, as a key of packets that go in the error's direction.
// Returns 0, -1 if the quoted packet can have no flow, or a drop reason.
static __always_inline int masquerade_read_quoted(
    struct __sk_buff *skb, __u32 icmp_offset, struct dp_nat_key *key, struct nat_quoted *quoted) {
    __u32 offset = icmp_offset + sizeof(struct icmp_header);
    int leaves = key->direction == DP_EGRESS;
    const __u8 *type;

    quoted->ip_offset = offset;
    if (bpf_skb_load_bytes(skb, offset, &quoted->ip, sizeof(quoted->ip)))
        return DP_DROP_TRUNCATED;
    if (quoted->ip.version != 4 || quoted->ip.ihl < 5 || bpf_ntohs(quoted->ip.frag_off) & IPV4_OFFSET_MASK)
        return -1;
    quoted->l4_offset = offset + quoted->ip.ihl * 4;
    if (bpf_skb_load_bytes(skb, quoted->l4_offset, quoted->l4, sizeof(quoted->l4)))
        return DP_DROP_TRUNCATED;
    key->source.word[0] = quoted->ip.daddr;
    key->destination.word[0] = quoted->ip.saddr;
    key->protocol = quoted->ip.protocol;
    switch (quoted->ip.protocol) {
    case IPPROTO_TCP:
    case IPPROTO_UDP:
        key->source_port = bpf_ntohs(quoted->l4[1]);
        key->destination_port = bpf_ntohs(quoted->l4[0]);
        return 0;
    case IPPROTO_ICMP:
        type = (const __u8 *)quoted->l4;
        // The quoted packet went in the other direction: it is the answer to a pod's echo, or the echo that left.
        if (*type != (leaves ? ICMP_ECHOREPLY : ICMP_ECHO))
            return -1;
        key->source_port = leaves ? bpf_ntohs(quoted->l4[2]) : 0;
        key->destination_port = leaves ? 0 : bpf_ntohs(quoted->l4[2]);
        return 0;
    default:
        return -1;
    }
}

// The offset of the near side's port in the quoted packet, from its transport header.
static __always_inline __u32 quoted_port_offset(const struct nat_quoted *quoted, int leaves) {
    if (quoted->ip.protocol == IPPROTO_ICMP)
        return offsetof(struct icmp_header, identifier);
    return leaves ? sizeof(__be16) : 0;
}

// Translates an ICMP error that a pod sent, or that the node sent about a pod's flow: the packet it quotes must look as
// the other side knows it. Returns 0 or a drop reason, which applies to a pod's errors only.
GLOBAL_SUBPROGRAM int masquerade_error_egress(
    struct __sk_buff *skb, __u32 icmp_offset, __be32 source, __be32 address) {
    struct nat_scratch *scratch = nat_scratch_lookup();
    int known;

    if (!scratch)
        return DP_DROP_NAT_REFUSED;

    struct dp_nat_key *key = nat_key_begin(&scratch->quoted_key, DP_EGRESS);
    struct nat_quoted *quoted = &scratch->quoted;

    known = masquerade_read_quoted(skb, icmp_offset, key, quoted);
    if (known)
        return known == DP_DROP_TRUNCATED ? known : DP_DROP_NAT_NO_MAPPING;

    const struct dp_nat_entry *entry = bpf_map_lookup_elem(&dp_nat, key);

    if (!entry || entry->address.word[0] != address)
        return DP_DROP_NAT_NO_MAPPING;

    struct nat_change change = {
        .old_address = quoted->ip.daddr,
        .new_address = address,
        .old_port = bpf_htons(key->source_port),
        .new_port = bpf_htons(entry->port),
        .address_offset = offsetof(struct iphdr, daddr),
    };

    if (rewrite_quoted(skb, icmp_offset, quoted, quoted_port_offset(quoted, 1), &change))
        return DP_DROP_NAT_REFUSED;
    change.old_address = source;
    change.address_offset = offsetof(struct iphdr, saddr);
    return source != address && rewrite_address(skb, &change) ? DP_DROP_NAT_REFUSED : 0;
}

// The packet belongs to no flow that is known.
#define MASQUERADE_NOT_KNOWN 1

// Translates a packet that leaves under `address`. `flags` has DP_NAT_HOST if the packet is the node's own and
// DP_NAT_SERVICE if it is an outside caller's; otherwise it is a pod's or has the router address. With NAT_ONLY_KNOWN
// this may return MASQUERADE_NOT_KNOWN and leave the packet untouched. Returns 0 or the reason to drop it.
GLOBAL_SUBPROGRAM int masquerade_leave(struct __sk_buff *skb, __be32 address, __u32 flags) {
    const struct flow *flow = flow_lookup();
    const struct dp_nat_config *nat = nat_config_lookup();

    if (!flow || !nat)
        return DP_DROP_NAT_REFUSED;

    const struct packet *packet = &flow->packet;
    __u32 min_port = flags & DP_NAT_SERVICE ? DP_NAT_SERVICE_MIN_PORT : nat->min_port;
    __be32 source = packet->event.source.word[0];
    int is_pod = !(flags & DP_NAT_HOST);
    struct nat_scratch *scratch = nat_scratch_lookup();
    struct nat_change change = {
        .old_address = source,
        .new_address = address,
        .address_offset = offsetof(struct iphdr, saddr),
    };
    struct nat_l4 l4 = {};

    if (!scratch)
        return DP_DROP_NAT_REFUSED;

    struct dp_nat_key *key = nat_key_begin(&scratch->key, DP_EGRESS);

    key->source.word[0] = source;
    key->destination.word[0] = packet->event.destination.word[0];
    key->protocol = packet->event.protocol;
    // Only the first fragment has a port. The later ones need just the address.
    if (!packet->l4_offset)
        return is_pod && rewrite_address(skb, &change) ? DP_DROP_NAT_REFUSED : 0;

    int kind = nat_read_l4(skb, packet->l4_offset, key, &l4);

    if (flags & NAT_ONLY_KNOWN && kind != NAT_L4_FLOW)
        return MASQUERADE_NOT_KNOWN;
    if (kind == NAT_L4_ICMP_ERROR)
        kind = masquerade_error_egress(skb, packet->l4_offset, source, address);
    else if (kind == NAT_L4_FLOW) {
        // No pod is given a port below the range, so the node's own flows there need no entry.
        if (!is_pod && key->protocol != IPPROTO_ICMP && key->source_port < nat->min_port)
            return 0;
        // Tunnel packets are answered to the tunnel's own port, whatever port they came from. Their source port needs
        // no entry.
        if (!is_pod && key->protocol == IPPROTO_UDP) {
            const struct dp_config *config = config_lookup();

            if (config && key->destination_port == config->tunnel_port)
                return 0;
        }

        int port = nat_port(address, (__u32)nat->max_port << 16 | min_port, (__u32)l4.tcp_flags << 16 | flags);

        if (port < 0)
            return port;
        if (port == NAT_KEEPS_SOURCE)
            return 0;
        if (port == NAT_NOT_KNOWN)
            return MASQUERADE_NOT_KNOWN;
        change.old_port = bpf_htons(key->source_port);
        change.new_port = bpf_htons(port);
        if (source == address && change.old_port == change.new_port)
            return 0;
        if (rewrite_port(skb, key->protocol, l4.checksum_offset, l4.port_offset, &change) ||
            (source != address && rewrite_address(skb, &change)))
            return DP_DROP_NAT_REFUSED;
        flow_cache_masqueraded(address, change.old_port == change.new_port);
        return 0;
    }
    // What cannot be translated would reveal a pod's address, so it is dropped. The node's own packet is right as it
    // is.
    return is_pod && kind < 0 ? kind : 0;
}

// Says whether packets of this source take the device's address.
static __always_inline int masquerade_is_pod(const struct dp_config *config, __be32 source) {
    const struct dp_endpoint *endpoint = endpoint_lookup_ipv4(source);

    return source == config->router_ipv4 || (endpoint && !(endpoint->flags & DP_ENDPOINT_HOST));
}

// The packet keeps its source.
#define MASQUERADE_NONE (-1)

// At the egress of a node device: returns the flags for masquerade_leave if the packet is to leave under the device's
// address, otherwise MASQUERADE_NONE.
static __always_inline int masquerade_due(
    const struct packet *packet, const struct dp_config *config, const struct dp_nat_config *nat,
    const struct dp_device *device) {
    __be32 source = packet->event.source.word[0];
    __be32 destination = packet->event.destination.word[0];
    int is_node = source == device->ipv4;

    if (!(nat->flags & DP_NAT_MASQUERADE))
        return MASQUERADE_NONE;
    if (masquerade_is_inside(config, nat, destination))
        return MASQUERADE_NONE;
    if (!is_node && (!masquerade_is_pod(config, source) || masquerade_is_excluded(destination)))
        return MASQUERADE_NONE;
    return is_node ? DP_NAT_HOST : 0;
}

// Translates a further packet of a pod's flow. The decision that was made when the flow began holds until it ends, so
// nothing else is looked up. Returns the same as masquerade_leave.
static __always_inline int masquerade_continue(
    struct __sk_buff *skb, const struct packet *packet, const struct dp_nat_config *nat, __be32 address) {
    __u8 protocol = packet->event.protocol;

    if (!(nat->flags & DP_NAT_MASQUERADE) || !address || !packet->l4_offset)
        return MASQUERADE_NOT_KNOWN;
    if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
        return MASQUERADE_NOT_KNOWN;
    return masquerade_leave(skb, address, NAT_ONLY_KNOWN);
}

// Does masquerade_leave, and returns TC_ACT_OK or the verdict of a recorded drop.
static __always_inline int masquerade_egress(
    struct __sk_buff *skb, struct packet *packet, __be32 address, __u32 flags) {
    int reason = masquerade_leave(skb, address, flags);

    return reason ? DROP(skb, packet, reason) : TC_ACT_OK;
}

// Delivers a translated packet to its pod past the stack, if the stack would merely forward it.
static __always_inline int masquerade_deliver(
    struct __sk_buff *skb, struct packet *packet, const struct dp_nat_config *nat) {
    struct ethhdr *eth = packet_header(skb, IPV4_FRAME_BYTES);

    if (!eth)
        return TC_ACT_OK;

    struct iphdr *ip = ipv4_header(eth);
    const struct dp_endpoint *endpoint = endpoint_lookup_ipv4(ip->daddr);

    if (!endpoint || endpoint->flags & DP_ENDPOINT_HOST || ip->ttl <= 1)
        return TC_ACT_OK;

    const struct dp_config *config = config_lookup();

    // If kube-proxy serves, the flow left through netfilter. Its conntrack must see the answers, or it takes the
    // following packets for invalid, and kube-proxy drops invalid packets.
    if (!config || !(config->flags & DP_CONFIG_SERVICES))
        return TC_ACT_OK;
    if (!skb->gso_segs && skb->len > nat->pod_mtu + ETH_HLEN)
        return TC_ACT_OK;
    packet->event.source_identity = identity_of_ipv4(ip->saddr);
    ipv4_hop(ip);
    return forward_to_delivery(skb, packet, flow_begin(), eth, endpoint);
}

// Translates an ICMP error about a flow that left: the packet it quotes must look as the pod knows it.
//
// - Returns: 0 if it is untouched, 1 if it was translated, or a drop reason.
GLOBAL_SUBPROGRAM int masquerade_error_ingress(struct __sk_buff *skb, __u32 icmp_offset, __be32 destination) {
    struct nat_scratch *scratch = nat_scratch_lookup();

    if (!scratch)
        return 0;

    struct dp_nat_key *key = nat_key_begin(&scratch->quoted_key, DP_INGRESS);
    struct nat_quoted *quoted = &scratch->quoted;

    if (masquerade_read_quoted(skb, icmp_offset, key, quoted) || quoted->ip.saddr != destination)
        return 0;

    const struct dp_nat_entry *entry = bpf_map_lookup_elem(&dp_nat, key);

    if (!entry)
        return 0;

    struct nat_change change = {
        .old_address = destination,
        .new_address = entry->address.word[0],
        .old_port = bpf_htons(key->destination_port),
        .new_port = bpf_htons(entry->port),
        .address_offset = offsetof(struct iphdr, saddr),
    };

    if (change.old_address == change.new_address && change.old_port == change.new_port)
        return 0;
    if (rewrite_quoted(skb, icmp_offset, quoted, quoted_port_offset(quoted, 0), &change))
        return DP_DROP_NAT_REFUSED;
    change.address_offset = offsetof(struct iphdr, daddr);
    return change.old_address != change.new_address && rewrite_address(skb, &change) ? DP_DROP_NAT_REFUSED : 1;
}

// Translates an answer to a flow that left. Returns the same as masquerade_error_ingress.
GLOBAL_SUBPROGRAM int masquerade_answer(struct __sk_buff *skb, __u32 identification) {
    const struct flow *flow = flow_lookup();
    const struct dp_nat_config *nat = nat_config_lookup();

    if (!flow || !nat)
        return 0;

    const struct packet *packet = &flow->packet;
    const struct dp_event *event = &packet->event;
    struct nat_scratch *scratch = nat_scratch_lookup();
    struct nat_change change = {
        .old_address = event->destination.word[0],
        .address_offset = offsetof(struct iphdr, daddr),
    };
    struct nat_l4 l4 = {};

    if (!scratch)
        return 0;

    struct dp_nat_key *key = nat_key_begin(&scratch->key, DP_INGRESS);
    struct dp_nat_fragment_key *fragment = &scratch->fragment;

    key->source = event->source;
    key->destination = event->destination;
    key->protocol = event->protocol;
    fragment->source = event->source;
    fragment->destination = event->destination;
    fragment->identification = identification;
    fragment->protocol = event->protocol;
    fragment->family = DP_FAMILY_IPV4;
    if (!packet->l4_offset) {
        const struct dp_address *pod = bpf_map_lookup_elem(&dp_nat_fragment, fragment);

        if (!pod)
            return 0;
        change.new_address = pod->word[0];
        return rewrite_address(skb, &change) ? DP_DROP_NAT_REFUSED : 1;
    }

    int kind = nat_read_l4(skb, packet->l4_offset, key, &l4);

    if (kind == NAT_L4_ICMP_ERROR)
        return masquerade_error_ingress(skb, packet->l4_offset, change.old_address);
    if (kind != NAT_L4_FLOW || (key->protocol != IPPROTO_ICMP && key->destination_port < nat->min_port))
        return 0;

    struct dp_nat_entry *entry = bpf_map_lookup_elem(&dp_nat, key);

    if (!entry)
        return 0;
    // A SYN from outside does not reopen the flow.
    nat_touch(entry, l4.tcp_flags & ~TCP_SYN, DP_NAT_REPLIED);
    change.new_address = entry->address.word[0];
    change.old_port = bpf_htons(key->destination_port);
    change.new_port = bpf_htons(entry->port);
    if (change.old_address == change.new_address && change.old_port == change.new_port)
        return 0;
    if (event->flags & DP_EVENT_FRAGMENT && bpf_map_update_elem(&dp_nat_fragment, fragment, &entry->address, BPF_ANY))
        return DP_DROP_NAT_REFUSED;
    if (rewrite_port(skb, key->protocol, l4.checksum_offset, l4.port_offset, &change) ||
        (change.old_address != change.new_address && rewrite_address(skb, &change)))
        return DP_DROP_NAT_REFUSED;
    flow_cache_masqueraded(change.new_address, change.old_port == change.new_port);
    return 1;
}

// At the ingress of a node device: answers to flows that left under the node's address go to their pod, or on to their
// caller. Returns TC_ACT_UNSPEC for a packet that is no such answer and is untouched.
static __always_inline int masquerade_ingress(
    struct __sk_buff *skb, struct packet *packet, const struct dp_config *config, __be16 identification) {
    const struct dp_nat_config *nat = nat_config_lookup();

    if (!nat || !(nat->flags & DP_NAT_MASQUERADE || config->flags & DP_CONFIG_NODE_SERVICES))
        return TC_ACT_UNSPEC;

    int changed = masquerade_answer(skb, identification);

    if (changed < 0)
        return DROP(skb, packet, changed);
    return changed ? masquerade_deliver(skb, packet, nat) : TC_ACT_UNSPEC;
}
