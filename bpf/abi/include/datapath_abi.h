// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// What the BPF programs and the agent agree on: map keys and values, events, numbers.
//
// Rules: fixed-width fields, no implicit padding (every size is asserted), padding is zero. Addresses are in network byte
// order, an IPv4 address is in the first word and the other words are zero; every other number is in host byte order.
// Numbers are append-only: a code that was published is never given another meaning.
#pragma once

#include <linux/types.h>

// Raised with every change of a layout below; programs drop everything when the configuration carries another number.
#define DP_ABI_VERSION 1

#define DP_FAMILY_IPV4 1
#define DP_FAMILY_IPV6 2

// UDP port of the overlay unless configured otherwise: Linux' own VXLAN port, not IANA's 4789.
#define DP_TUNNEL_PORT 8472

// Identities. The overlay's 24-bit VNI carries the source's, hence the maximum.
#define DP_IDENTITY_UNKNOWN 0
#define DP_IDENTITY_HOST 1
#define DP_IDENTITY_WORLD 2
#define DP_IDENTITY_UNMANAGED 3
#define DP_IDENTITY_HEALTH 4
#define DP_IDENTITY_INIT 5
#define DP_IDENTITY_REMOTE_NODE 6
#define DP_IDENTITY_FIRST_LABEL 256
#define DP_IDENTITY_MAX 0xFFFFFF

// The source identity rides in skb->mark from the program that redirects to an endpoint to the program that delivers.
#define DP_MARK_IDENTITY 0x1D000000
#define DP_MARK_IDENTITY_MASK 0xFF000000

// Names of the pinned maps; at most 15 characters, the kernel's limit for object names.
#define DP_MAP_ENDPOINTS "dp_endpoints"
#define DP_MAP_INTERFACES "dp_interfaces"
#define DP_MAP_IPCACHE "dp_ipcache"
#define DP_MAP_METRICS "dp_metrics"
#define DP_MAP_CONFIG "dp_config"
#define DP_MAP_EVENTS "dp_events"

#define DP_MAX_ENDPOINTS 4096
#define DP_MAX_IPCACHE 65536
#define DP_MAX_METRICS 1024
#define DP_EVENTS_BYTES (1 << 20)
// The reader of traces is woken when so much more has come.
#define DP_EVENTS_WAKEUP_BYTES (1 << 16)

// Reasons: X(NAME, code, slug, text). Negative: the packet was dropped.
#define DP_DROP_REASONS(X) \
    X(INVALID_SOURCE, -1, "invalid-source", "source address does not belong to the endpoint") \
    X(TRUNCATED, -2, "truncated", "packet ends inside a header") \
    X(INVALID_IPV4_HEADER, -3, "invalid-ipv4-header", "IPv4 version, header length or total length is wrong") \
    X(UNSUPPORTED_L3, -4, "unsupported-l3", "network protocol is not forwarded") \
    X(UNSUPPORTED_DESTINATION, -5, "unsupported-destination", "multicast or broadcast destination") \
    X(UNSUPPORTED_ARP, -6, "unsupported-arp", "ARP other than a request for the gateway") \
    X(UNKNOWN_INTERFACE, -7, "unknown-interface", "interface has no endpoint") \
    X(UNKNOWN_ENDPOINT, -8, "unknown-endpoint", "no endpoint has this address of the node's range") \
    X(NO_TUNNEL_ENDPOINT, -9, "no-tunnel-endpoint", "no node is known for this pod address") \
    X(TTL_EXCEEDED, -10, "ttl-exceeded", "time to live ran out") \
    X(NO_TUNNEL_KEY, -11, "no-tunnel-key", "packet on the overlay device has no tunnel key") \
    X(TUNNEL_KEY_REFUSED, -12, "tunnel-key-refused", "kernel refused the tunnel key") \
    X(INVALID_IDENTITY, -13, "invalid-identity", "overlay packet claims an identity that never travels") \
    X(NOT_CONFIGURED, -14, "not-configured", "configuration is missing or of another ABI version") \
    X(NEIGHBOUR_CHATTER, -15, "neighbour-chatter", "IPv6 multicast or gratuitous ARP, counted without an event")

enum dp_reason {
#define DP_REASON_VALUE(name, code, slug, text) DP_DROP_##name = code,
    DP_DROP_REASONS(DP_REASON_VALUE)
#undef DP_REASON_VALUE
    DP_DROP_LAST = -15,
    DP_FORWARDED = 0,
    // Not a packet: an event that found the ring buffer full.
    DP_EVENT_LOST = 1,
};

// Where a packet was seen: X(NAME, number, name). A drop carries the point at which its program was entered.
#define DP_TRACE_POINTS(X) \
    X(TO_ENDPOINT, 1, "to-endpoint") \
    X(FROM_ENDPOINT, 2, "from-endpoint") \
    X(TO_OVERLAY, 3, "to-overlay") \
    X(FROM_OVERLAY, 4, "from-overlay") \
    X(TO_STACK, 5, "to-stack") \
    X(FROM_NETWORK, 6, "from-network") \
    X(FROM_HOST, 7, "from-host") \
    X(TO_HOST, 8, "to-host")

enum dp_point {
#define DP_POINT_VALUE(name, number, text) DP_POINT_##name = number,
    DP_TRACE_POINTS(DP_POINT_VALUE)
#undef DP_POINT_VALUE
    DP_POINT_LAST = 8,
};

// Sources of drops: X(NAME, number, file).
#define DP_SOURCE_FILES(X) \
    X(LXC, 1, "lxc.bpf.c") \
    X(OVERLAY, 2, "overlay.bpf.c") \
    X(HOST, 3, "host.bpf.c") \
    X(IPV4, 4, "ipv4.h") \
    X(ARP, 5, "arp.h") \
    X(FORWARD, 6, "forward.h")

enum dp_source_file {
#define DP_FILE_VALUE(name, number, file) DP_FILE_##name = number,
    DP_SOURCE_FILES(DP_FILE_VALUE)
#undef DP_FILE_VALUE
    DP_FILE_LAST = 6,
};

enum dp_direction { DP_INGRESS = 1, DP_EGRESS = 2 };
enum dp_event_type { DP_EVENT_DROP = 1, DP_EVENT_TRACE = 2 };

#ifdef __cplusplus
#define DP_ASSERT_SIZE(type, size) static_assert(sizeof(type) == (size), "size of " #type)
#else
#define DP_ASSERT_SIZE(type, size) _Static_assert(sizeof(type) == (size), "size of " #type)
#endif

struct dp_address {
    __u32 word[4];
};
DP_ASSERT_SIZE(struct dp_address, 16);

// dp_endpoints: hash, local address → endpoint.
struct dp_endpoint_key {
    struct dp_address address;
    __u8 family;
    __u8 pad[3];
};
DP_ASSERT_SIZE(struct dp_endpoint_key, 20);

// The address is the node's own (router address, node address): deliver to the stack, there is no interface.
#define DP_ENDPOINT_HOST 1

struct dp_endpoint {
    __u32 ifindex;
    __u32 identity;
    __u16 id;
    __u16 flags;
    __u8 pod_mac[6];
    __u8 host_mac[6];
};
DP_ASSERT_SIZE(struct dp_endpoint, 24);

// dp_interfaces: hash, ifindex of the host side of a pod's veth (__u32) → endpoint.
struct dp_interface {
    struct dp_address ipv6;
    __u32 ipv4;
    __u32 identity;
    __u16 endpoint_id;
    __u16 flags;
    __u8 pod_mac[6];
    __u8 host_mac[6];
};
DP_ASSERT_SIZE(struct dp_interface, 40);

// dp_ipcache: longest-prefix trie, address → identity and the node behind the overlay.
// prefix_length counts from `family`: DP_IPCACHE_STATIC_BITS + bits of the address.
#define DP_IPCACHE_STATIC_BITS 32

struct dp_ipcache_key {
    __u32 prefix_length;
    __u8 family;
    __u8 pad[3];
    struct dp_address address;
};
DP_ASSERT_SIZE(struct dp_ipcache_key, 24);

struct dp_ipcache_entry {
    struct dp_address tunnel_endpoint;
    __u32 identity;
    // 0: reached without the overlay.
    __u8 tunnel_family;
    __u8 pad[3];
};
DP_ASSERT_SIZE(struct dp_ipcache_entry, 24);

// dp_metrics: per-CPU hash.
struct dp_metrics_key {
    __s32 reason;
    __u8 direction;
    __u8 point;
    __u8 pad[2];
};
DP_ASSERT_SIZE(struct dp_metrics_key, 8);

struct dp_metrics {
    __u64 packets;
    __u64 bytes;
};
DP_ASSERT_SIZE(struct dp_metrics, 16);

// dp_config: array of one.
#define DP_CONFIG_TRACE 1
// Of TCP, trace only segments with SYN, FIN or RST.
#define DP_CONFIG_TRACE_AGGREGATE 2

struct dp_config {
    __u32 abi_version;
    __u32 flags;
    // Bit n: trace point n. Drops are always reported.
    __u32 trace_mask;
    __u32 node_identity;
    __u32 node_ipv4;
    __u32 router_ipv4;
    // The node's own pod range, and that of the whole cluster, in network byte order as the addresses.
    __u32 pod_range;
    __u32 pod_range_mask;
    __u32 cluster_range;
    __u32 cluster_range_mask;
    __u32 host_ifindex;
    __u32 overlay_ifindex;
    __u32 node_ifindex;
    __u16 tunnel_port;
    __u8 host_mac[6];
    __u8 pad[4];
};
DP_ASSERT_SIZE(struct dp_config, 64);

// dp_events: ring buffer.
#define DP_EVENT_FRAGMENT 1
// The addresses are those of the inner packet; the tunnel fields say how it travels.
#define DP_EVENT_ENCAPSULATED 2
// The ports (for ICMP: identifier and sequence number) were read.
#define DP_EVENT_L4 4

struct dp_event {
    // CLOCK_MONOTONIC
    __u64 ktime_ns;
    __u8 type;
    __u8 point;
    __u8 direction;
    __u8 flags;
    __s32 reason;
    __u32 ifindex;
    __u32 length;
    __u32 source_identity;
    __u32 destination_identity;
    struct dp_address source;
    struct dp_address destination;
    struct dp_address tunnel_remote;
    __u32 tunnel_id;
    __u16 endpoint_id;
    __u16 ethertype;
    // Ports, or ICMP identifier and sequence number.
    __u16 source_port;
    __u16 destination_port;
    __u16 file;
    __u16 line;
    __u8 family;
    __u8 protocol;
    __u8 tcp_flags;
    __u8 icmp_type;
    __u8 icmp_code;
    __u8 ttl;
    __u8 tunnel_family;
    __u8 pad;
};
DP_ASSERT_SIZE(struct dp_event, 104);

#ifndef __bpf__
#include <stddef.h>

/// The reason's short name, or NULL for a code that this build does not know.
static inline const char *dp_reason_slug(int code) {
    switch (code) {
#define DP_REASON_SLUG(name, value, slug, text) \
    case value: \
        return slug;
        DP_DROP_REASONS(DP_REASON_SLUG)
#undef DP_REASON_SLUG
    case DP_FORWARDED:
        return "forwarded";
    case DP_EVENT_LOST:
        return "event-lost";
    default:
        return NULL;
    }
}

/// What the reason means, or NULL.
static inline const char *dp_reason_text(int code) {
    switch (code) {
#define DP_REASON_TEXT(name, value, slug, text) \
    case value: \
        return text;
        DP_DROP_REASONS(DP_REASON_TEXT)
#undef DP_REASON_TEXT
    default:
        return NULL;
    }
}

/// The trace point's name, or NULL.
static inline const char *dp_point_name(int number) {
    switch (number) {
#define DP_POINT_NAME(name, value, text) \
    case value: \
        return text;
        DP_TRACE_POINTS(DP_POINT_NAME)
#undef DP_POINT_NAME
    default:
        return NULL;
    }
}

/// The source file's name, or NULL.
static inline const char *dp_file_name(int number) {
    switch (number) {
#define DP_FILE_NAME(name, value, file) \
    case value: \
        return file;
        DP_SOURCE_FILES(DP_FILE_NAME)
#undef DP_FILE_NAME
    default:
        return NULL;
    }
}
#endif
