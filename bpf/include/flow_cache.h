// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// The flow cache. It remembers what was decided about a flow's packets: where they go, and under which addresses.
//
// Without the cache, a packet of an established flow takes six lookups: its interface, the service that it might call,
// conntrack and interface at both ends, and the receiver. With it, the packet takes one lookup in an array of its
// processor, where nothing is locked and no entry is seen half written. An entry is valid
//
// - as long as nothing that it was made from has changed: it carries the revision at which its flow was judged, and the
//   agent raises the revision (dp_revision) after every change of the maps;
// - and for at most FLOW_CACHE_TICKS. After that time a packet takes the long way, which keeps the flow's conntrack
//   entries alive and reads the kernel's own tables again.
//
// The cache serves only packets that change no state and are not reported: UDP, and TCP without SYN, FIN and RST. Their
// flow must be known at both ends, and neither be translated by a service nor read by a proxy. Masquerade may give them
// another address, but no other port. All other packets take the long way, and so do all that will be dropped.
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "config.h"
#include "datapath_abi.h"
#include "eth.h"
#include "events.h"
#include "flow.h"
#include "ipv4.h"
#include "metrics.h"
#include "nat_rewrite.h"
#include "path_mtu.h"
#include "tunnel_key.h"

// Timer ticks of the kernel (jiffies): 25 to 250 ms, as the kernel's CONFIG_HZ is 1000 to 100.
#define FLOW_CACHE_TICKS 25
// The entries are in parts of 32 KiB, the most that the kernel allocates a processor at once. Two flows of one slot
// take it from each other.
#define FLOW_CACHE_PART 512

enum flow_cache_way {
    // To the pod's end of an endpoint's veth.
    FLOW_CACHE_TO_ENDPOINT = 1,
    FLOW_CACHE_TO_OVERLAY = 2,
    // Out by a device of the node, to a neighbour.
    FLOW_CACHE_TO_NETWORK = 3,
    // To wherever the stack sends it.
    FLOW_CACHE_ON = 4,
};

struct flow_cache_entry {
    struct flow_cache_key key;
    // The tick at which the flow was judged.
    __u64 jiffies;
    // enum flow_cache_way
    __u32 way;
    // The device to redirect to.
    __u32 ifindex;
    // The new Ethernet addresses: destination, source.
    __u8 macs[2 * ETH_ALEN];
    __u32 tunnel_id;
    // In host byte order.
    __u32 tunnel_remote;
    // The address that masquerade gives the packet: as its source when it leaves, as its destination when it answers.
    // It is 0 if the packet keeps its own.
    __be32 address;
};

struct flow_cache_part {
    struct flow_cache_entry entry[FLOW_CACHE_PART];
};

// Every BPF object has its own.
struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __type(key, __u32);
    __type(value, struct flow_cache_part);
    __uint(max_entries, FLOW_CACHE_SLOTS / FLOW_CACHE_PART);
} dp_flow_cache SEC(".maps");

static __always_inline __u64 flow_cache_hash(const struct flow_cache_key *key) {
    __u64 hash = key->addresses ^ key->ports * 0x9E3779B97F4A7C15ull;

    return (hash ^ hash >> 32) * 0x9E3779B97F4A7C15ull;
}

static __always_inline __u32 flow_cache_slot(__u64 hash) {
    return hash >> 32 & (FLOW_CACHE_SLOTS - 1);
}

static __always_inline __u8 flow_cache_tag(__u64 hash) {
    return hash >> 56;
}

// Returns the entry in the flow's slot, which may be another flow's. It is never NULL, but the verifier demands the
// check.
static __always_inline struct flow_cache_entry *flow_cache_entry(__u64 hash) {
    __u32 index = flow_cache_slot(hash) / FLOW_CACHE_PART;
    struct flow_cache_part *part = bpf_map_lookup_elem(&dp_flow_cache, &index);

    return part ? &part->entry[flow_cache_slot(hash) % FLOW_CACHE_PART] : NULL;
}

// Says whether packets of this protocol are reported one by one.
static __always_inline int flow_cache_is_traced(const struct dp_config *config, __u8 protocol) {
    if (!(config->flags & DP_CONFIG_TRACE) || !config->trace_mask)
        return 0;
    return protocol != IPPROTO_TCP || !(config->flags & DP_CONFIG_TRACE_AGGREGATE);
}

#define FLOW_CACHE_BYTES (sizeof(struct ethhdr) + sizeof(struct iphdr) + sizeof(struct udphdr))

// Fills the key of the packet at `eth`, of which FLOW_CACHE_BYTES are at hand. Returns 0 if the packet must take the
// long way. `tunnel_id` tells flows apart that came under different identities.
static __always_inline int flow_cache_read(
    struct __sk_buff *skb, const struct dp_config *config, const struct ethhdr *eth, const void *end,
    enum dp_direction direction, __u32 tunnel_id, struct flow_cache_key *key) {
    const struct iphdr *ip = (const struct iphdr *)(eth + 1);
    const struct udphdr *ports = (const struct udphdr *)(ip + 1);
    __u32 header = sizeof(struct udphdr);
    __u32 total = bpf_ntohs(ip->tot_len);
    const __u32 zero = 0;
    const __u32 *revision;

    if (eth_protocol(skb, eth) != ETH_P_IP || *(const __u8 *)ip != (4 << 4 | sizeof(*ip) / 4))
        return 0;
    if (ip->frag_off & bpf_htons(IPV4_OFFSET_MASK | IPV4_MORE_FRAGMENTS) || ip->ttl <= 1)
        return 0;
    if (ip->protocol == IPPROTO_TCP) {
        const __u8 *tcp = (const __u8 *)ports;

        if ((void *)(tcp + sizeof(struct tcphdr)) > end)
            return 0;
        if (tcp[TCP_FLAGS_OFFSET] & (TCP_SYN | TCP_FIN | TCP_RST))
            return 0;
        header = sizeof(struct tcphdr);
    } else if (ip->protocol != IPPROTO_UDP) {
        return 0;
    }
    if (total < sizeof(*ip) + header || total > skb->len - sizeof(*eth))
        return 0;
    if (!(config->flags & DP_CONFIG_SERVICES) || flow_cache_is_traced(config, ip->protocol))
        return 0;
    revision = bpf_map_lookup_elem(&dp_revision, &zero);
    if (!revision)
        return 0;
    key->addresses = (__u64)ip->saddr << 32 | ip->daddr;
    key->ports = (__u64)ports->source << 48 | (__u64)ports->dest << 32 | skb->ifindex;
    key->scope = (__u64)tunnel_id << 40 | (__u64)(direction << 6 | ip->protocol) << 32 | *revision;
    return 1;
}

// Keeps the packet's flow out of the cache. Returns TC_ACT_UNSPEC.
static __always_inline int flow_cache_pass(void) {
    struct flow *flow = flow_lookup();

    if (flow)
        flow->is_cacheable = 0;
    return TC_ACT_UNSPEC;
}

// Notes what masquerade did to the packet. A flow that took another port as well is not remembered.
static __always_inline void flow_cache_masqueraded(__be32 address, int keeps_port) {
    struct flow *flow = flow_lookup();

    if (!flow)
        return;
    flow->cache_address = address;
    if (!keeps_port)
        flow->is_cacheable = 0;
}

// Gives the packet the address that masquerade gives its flow. Returns 0, or an error with the packet untouched. Packet
// pointers become invalid.
static __always_inline int flow_cache_translate(
    struct __sk_buff *skb, __u8 protocol, int is_source, __be32 old_address, __be32 new_address) {
    __u32 checksum_offset = sizeof(struct ethhdr) + sizeof(struct iphdr) +
                            (protocol == IPPROTO_TCP ? offsetof(struct tcphdr, check) : offsetof(struct udphdr, check));
    __u64 flags = BPF_F_PSEUDO_HDR | sizeof(__be32) | (protocol == IPPROTO_UDP ? BPF_F_MARK_MANGLED_0 : 0);
    struct ethhdr *eth;
    struct iphdr *ip;

    if (bpf_l4_csum_replace(skb, checksum_offset, old_address, new_address, flags))
        return -1;
    // The packet is as long as before, which the verifier does not know.
    eth = PACKET_POINTER(skb, data);
    ip = (struct iphdr *)(eth + 1);
    if ((void *)(ip + 1) > PACKET_POINTER(skb, data_end))
        return -1;
    ip->check = checksum_replace4(ip->check, old_address, new_address);
    if (is_source)
        ip->saddr = new_address;
    else
        ip->daddr = new_address;
    return 0;
}

// Sends the packet the way of its flow, as the program of that `direction` and `point` does. Returns TC_ACT_UNSPEC,
// with the packet untouched, if it must take the long way; flow_cache_store may then remember what becomes of it.
// `translates`, a constant, says whether the program masquerades.
static __always_inline int flow_cache_forward(
    struct __sk_buff *skb, const struct dp_config *config, enum dp_direction direction, enum dp_point point,
    __u32 tunnel_id, int translates) {
    struct flow *flow = flow_lookup();
    struct flow_cache_entry *entry;
    struct flow_cache_key key;
    struct ethhdr *eth = PACKET_POINTER(skb, data);
    void *end = PACKET_POINTER(skb, data_end);
    struct iphdr *ip = (struct iphdr *)(eth + 1);
    __u32 length = skb->len;

    if (!flow)
        return TC_ACT_SHOT;
    flow->is_cacheable = 0;
    flow->cache_address = 0;
    if ((void *)eth + FLOW_CACHE_BYTES > end || !flow_cache_read(skb, config, eth, end, direction, tunnel_id, &key))
        return TC_ACT_UNSPEC;
    flow->cache_key = key;
    flow->cache_hash = flow_cache_hash(&key);
    flow->is_cacheable = 1;
    if (flow->cache_tags[flow_cache_slot(flow->cache_hash)] != flow_cache_tag(flow->cache_hash))
        return TC_ACT_UNSPEC;
    entry = flow_cache_entry(flow->cache_hash);
    if (!entry || entry->key.addresses != key.addresses || entry->key.ports != key.ports ||
        entry->key.scope != key.scope || bpf_jiffies64() - entry->jiffies > FLOW_CACHE_TICKS)
        return TC_ACT_UNSPEC;
    flow->is_cacheable = 0;
    // Between two pods of the node there is nothing to fit, and at a device the stack has seen to it.
    if (entry->way != FLOW_CACHE_ON && (entry->way != FLOW_CACHE_TO_ENDPOINT || direction == DP_INGRESS) &&
        path_mtu_exceeded(skb, ip, config))
        return TC_ACT_UNSPEC;
    // If the kernel refuses the key, the long way reports it.
    if (entry->way == FLOW_CACHE_TO_OVERLAY && tunnel_key_set(skb, entry->tunnel_remote, entry->tunnel_id))
        return TC_ACT_UNSPEC;
    if (translates && entry->address) {
        int leaves = entry->way == FLOW_CACHE_ON;

        if (flow_cache_translate(skb, ip->protocol, leaves, leaves ? ip->saddr : ip->daddr, entry->address))
            return TC_ACT_UNSPEC;
        eth = PACKET_POINTER(skb, data);
        ip = (struct iphdr *)(eth + 1);
        if ((void *)(ip + 1) > PACKET_POINTER(skb, data_end))
            return TC_ACT_SHOT;
    }
    metrics_cached(direction, point, length);
    if (translates && entry->way == FLOW_CACHE_ON)
        return TC_ACT_OK;
    ipv4_hop(ip);
    if (entry->way == FLOW_CACHE_TO_OVERLAY) {
        metrics_forwarded(DP_EGRESS, DP_POINT_TO_OVERLAY, length);
        return bpf_redirect(entry->ifindex, 0);
    }
    eth_rewrite(eth, entry->macs, entry->macs + ETH_ALEN);
    if (entry->way == FLOW_CACHE_TO_NETWORK) {
        metrics_forwarded(DP_EGRESS, DP_POINT_TO_NETWORK, length);
        return bpf_redirect(entry->ifindex, 0);
    }
    metrics_forwarded(DP_INGRESS, DP_POINT_TO_ENDPOINT, length);
    skb->mark = 0;
    if (skb->pkt_type != PACKET_HOST)
        bpf_skb_change_type(skb, PACKET_HOST);
    return bpf_redirect_peer(entry->ifindex, 0);
}

// Keeps the packet's flow out of the cache unless this end's conntrack knew it before and its packets pass unchanged.
static __always_inline void flow_cache_judge(const struct packet *packet, struct flow *flow) {
    const struct flow_connection *connection = &flow->connection;
    __u8 known = packet->event.connection;

    if ((known != DP_CT_ESTABLISHED && known != DP_CT_REPLY) || connection->rev_nat ||
        connection->flags & (DP_CT_PROXY | DP_CT_LOOPBACK))
        flow->is_cacheable = 0;
}

// Remembers the way of the packet's flow, unless it is not to be remembered. `destination` and `source` are its new
// Ethernet addresses, or NULL where it keeps its own.
static __always_inline void flow_cache_store(
    struct flow *flow, enum flow_cache_way way, __u32 ifindex, const __u8 *destination, const __u8 *source,
    __u32 tunnel_id, __u32 tunnel_remote) {
    struct flow_cache_entry *entry;

    if (!flow->is_cacheable)
        return;
    flow->is_cacheable = 0;
    entry = flow_cache_entry(flow->cache_hash);
    if (!entry)
        return;
    flow->cache_tags[flow_cache_slot(flow->cache_hash)] = flow_cache_tag(flow->cache_hash);
    entry->key = flow->cache_key;
    entry->jiffies = bpf_jiffies64();
    entry->way = way;
    entry->ifindex = ifindex;
    if (destination) {
        __builtin_memcpy(entry->macs, destination, ETH_ALEN);
        __builtin_memcpy(entry->macs + ETH_ALEN, source, ETH_ALEN);
    }
    entry->tunnel_id = tunnel_id;
    entry->tunnel_remote = tunnel_remote;
    entry->address = flow->cache_address;
}
