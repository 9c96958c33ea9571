// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Services packet by packet: an endpoint's call goes to a backend, and what returns has the frontend's address again.
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/stddef.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ct.h"
#include "datapath_abi.h"
#include "flow.h"
#include "icmp.h"
#include "nat_rewrite.h"
#include "packet.h"
#include "service_select.h"
#include "subprogram.h"

// Writes the packet's source or destination address and port. A later fragment has no port to write.
static __always_inline int service_write(
    struct __sk_buff *skb, const struct packet *packet, int is_source, const struct nat_change *wanted) {
    struct nat_change change = *wanted;
    __u8 protocol = packet->event.protocol;
    __u32 port_offset = packet->l4_offset + (is_source ? 0 : sizeof(__be16));
    __u32 checksum_offset =
        packet->l4_offset + (protocol == IPPROTO_TCP ? offsetof(struct tcphdr, check) : offsetof(struct udphdr, check));

    change.address_offset = is_source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr);
    if (packet->l4_offset && rewrite_port(skb, protocol, checksum_offset, port_offset, &change))
        return -1;
    return rewrite_address(skb, &change) ? -1 : 0;
}

// Every BPF object has its own. The value does not fit on the stack below a service's translation.
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, __u32);
    __type(value, struct nat_quoted);
    __uint(max_entries, 1);
} dp_quoted SEC(".maps");

static __always_inline int quoted_read(struct __sk_buff *skb, __u32 icmp_offset, struct nat_quoted *quoted) {
    quoted->ip_offset = icmp_offset + sizeof(struct icmp_header);
    if (bpf_skb_load_bytes(skb, quoted->ip_offset, &quoted->ip, sizeof(quoted->ip)))
        return -1;
    quoted->l4_offset = quoted->ip_offset + quoted->ip.ihl * 4;
    return bpf_skb_load_bytes(skb, quoted->l4_offset, quoted->l4, sizeof(quoted->l4)) ? -1 : 0;
}

// Writes the source or destination of the packet that an ICMP error quotes.
SUBPROGRAM int service_write_quoted(
    struct __sk_buff *skb, __u32 icmp_offset, int is_source, const struct nat_change *wanted) {
    __u32 zero = 0;
    struct nat_quoted *quoted = bpf_map_lookup_elem(&dp_quoted, &zero);
    struct nat_change change = *wanted;

    if (!quoted || quoted_read(skb, icmp_offset, quoted))
        return -1;
    change.address_offset = is_source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr);
    return rewrite_quoted(skb, icmp_offset, quoted, is_source ? 0 : sizeof(__be16), &change) ? -1 : 0;
}

static __always_inline int service_write_outer(
    struct __sk_buff *skb, int is_source, __be32 old_address, __be32 new_address) {
    struct nat_change change = {
        .old_address = old_address,
        .new_address = new_address,
        .address_offset = is_source ? offsetof(struct iphdr, saddr) : offsetof(struct iphdr, daddr),
    };

    return old_address != new_address && rewrite_address(skb, &change) ? -1 : 0;
}

// Hashes a call, with the same result on every node. The finish is that of MurmurHash3.
static __always_inline __u64 service_hash(const struct dp_ct_key *tuple) {
    __u32 hash = tuple->source.word[0] * 0x9E3779B1u;

    hash = (hash ^ hash >> 15) + tuple->destination.word[0];
    hash = (hash * 0x9E3779B1u ^ hash >> 13) + ((__u32)tuple->source_port << 16 | tuple->destination_port);
    hash = (hash * 0x9E3779B1u ^ hash >> 15) + tuple->protocol;
    hash = (hash ^ hash >> 16) * 0x85EBCA6Bu;
    hash = (hash ^ hash >> 13) * 0xC2B2AE35u;
    return SERVICE_HASH_PRESENT | (hash ^ hash >> 16);
}

// Returns the connection's backend while the connection may keep it. A datagram does not go to a backend that has left,
// and neither does the first segment of a connection, so that a repeated SYN finds another backend.
static __always_inline const struct dp_backend *service_known_backend(
    const struct dp_ct_entry *entry, const struct packet *packet) {
    const struct dp_backend *backend = backend_lookup(entry->backend);
    int opens = ct_is_opening_segment(packet);

    if (!backend)
        return NULL;
    if (opens && entry->state != DP_CT_STATE_OPENING && entry->state != DP_CT_STATE_ESTABLISHED)
        return NULL;
    if (!(backend->flags & DP_BACKEND_ACTIVE) && (packet->event.protocol != IPPROTO_TCP || opens))
        return NULL;
    return backend;
}

// Turns the call of a service into one of a backend, and leaves other packets as they are. An endpoint that is its own
// backend calls under DP_LOOPBACK_IPV4. `is_outside` says that the caller is outside of the cluster. Returns 0 or a
// drop reason.
GLOBAL_SUBPROGRAM int service_translate(struct __sk_buff *skb, int is_outside) {
    struct flow *flow = flow_lookup();

    if (!flow)
        return DP_DROP_SERVICE_REFUSED;

    struct packet *packet = &flow->packet;

    struct dp_ct_key *tuple = &flow->tuple;
    __u8 protocol = packet->event.protocol;
    struct dp_service_key key = {
        .address = tuple->destination,
        .port = tuple->destination_port,
        .protocol = tuple->protocol,
        .family = tuple->family,
    };
    const struct dp_service *service;
    const struct dp_backend *backend = NULL;
    struct dp_ct_entry *entry;
    __u32 now = flow_now(flow);
    __u32 number = 0;

    if (flow->flags & FLOW_UNRELATED || (tuple->protocol != IPPROTO_TCP && tuple->protocol != IPPROTO_UDP))
        return 0;
    service = is_outside ? service_lookup_outside(&key) : service_lookup(&key, 0);
    if (!service)
        return 0;
    tuple->direction = DP_CT_SERVICE;
    entry = ct_entry(tuple, now);
    if (flow->flags & FLOW_ICMP_ERROR) {
        // The error is about a reply, which the caller knows as the service's.
        backend = entry ? backend_lookup(entry->backend) : NULL;
        if (!backend)
            return 0;
    } else if (entry) {
        backend = service_known_backend(entry, packet);
        if (backend)
            ct_follow(entry, packet, flow, DP_CT_SERVICE, 0, now);
    }
    if (!backend) {
        struct dp_ct_entry fresh = {
            .source_identity = packet->event.source_identity,
            .rev_nat = service->rev_nat,
            .state = DP_CT_STATE_OPENING,
        };

        backend = service_select(&key, service, &tuple->source, is_outside ? service_hash(tuple) : 0, now, &number);
        if (!backend)
            return DP_DROP_NO_SERVICE_BACKEND;
        fresh.backend = number;
        ct_follow(&fresh, packet, flow, DP_CT_SERVICE, 0, now);
        if (ct_insert(tuple, &fresh))
            return DP_DROP_CT_INSERTION_FAILED;
    }

    struct nat_change change = {
        .old_address = tuple->destination.word[0],
        .new_address = backend->address.word[0],
        .old_port = tuple->destination_port,
        .new_port = backend->port,
    };
    int refused;

    if (protocol == IPPROTO_ICMP)
        refused = service_write_quoted(skb, packet->l4_offset, 1, &change) ||
                  service_write_outer(skb, 0, change.old_address, change.new_address);
    else
        refused = service_write(skb, packet, 0, &change);
    if (refused)
        return DP_DROP_SERVICE_REFUSED;
    flow->connection.rev_nat = service->rev_nat;
    if (is_outside && service->flags & DP_SERVICE_DIRECT)
        flow->connection.flags |= DP_CT_DIRECT;
    tuple->destination.word[0] = change.new_address;
    tuple->destination_port = change.new_port;
    if (change.new_address != tuple->source.word[0] || protocol == IPPROTO_ICMP)
        return 0;

    struct nat_change own = {
        .old_address = tuple->source.word[0],
        .new_address = DP_LOOPBACK_IPV4,
        .old_port = tuple->source_port,
        .new_port = tuple->source_port,
    };

    if (service_write(skb, packet, 1, &own))
        return DP_DROP_SERVICE_REFUSED;
    tuple->source.word[0] = DP_LOOPBACK_IPV4;
    flow->connection.flags |= DP_CT_LOOPBACK;
    return 0;
}

// Gives a packet that the endpoint at `address` receives from a service it called, or an ICMP error about such a
// packet, the frontend's address. Returns 0 or a drop reason. A frontend that is gone needs no translation: its callers
// were cut off when it went.
GLOBAL_SUBPROGRAM int service_reverse(struct __sk_buff *skb, __be32 address) {
    struct flow *flow = flow_lookup();

    if (!flow)
        return DP_DROP_SERVICE_REFUSED;

    struct packet *packet = &flow->packet;

    struct dp_ct_key *tuple = &flow->tuple;
    __u32 index = flow->connection.rev_nat;
    int is_loopback = flow->connection.flags & DP_CT_LOOPBACK;
    const struct dp_revnat *frontend;
    struct nat_change near;
    struct nat_change far;
    int refused;

    if (!flow->connection.is_reply || !index)
        return 0;
    frontend = bpf_map_lookup_elem(&dp_revnat, &index);
    if (!frontend)
        return 0;
    far = (struct nat_change){
        .old_address = tuple->source.word[0],
        .new_address = frontend->address.word[0],
        .old_port = tuple->source_port,
        .new_port = frontend->port,
    };
    near = (struct nat_change){
        .old_address = tuple->destination.word[0],
        .new_address = address,
        .old_port = tuple->destination_port,
        .new_port = tuple->destination_port,
    };
    if (flow->flags & FLOW_ICMP_ERROR) {
        // An error that a router on the way sent keeps the router's address.
        refused = service_write_quoted(skb, packet->l4_offset, 0, &far);
        if (packet->event.source.word[0] == far.old_address) {
            refused = refused || service_write_outer(skb, 1, far.old_address, far.new_address);
            packet->event.source.word[0] = far.new_address;
        }
        if (is_loopback)
            refused = refused || service_write_quoted(skb, packet->l4_offset, 1, &near) ||
                      service_write_outer(skb, 0, near.old_address, near.new_address);
    } else {
        refused = service_write(skb, packet, 1, &far);
        if (is_loopback)
            refused = refused || service_write(skb, packet, 0, &near);
        packet->event.source.word[0] = far.new_address;
        packet->event.source_port = bpf_ntohs(far.new_port);
    }
    if (is_loopback)
        packet->event.destination.word[0] = address;
    return refused ? DP_DROP_SERVICE_REFUSED : 0;
}
