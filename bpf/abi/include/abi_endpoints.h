// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Endpoints, interfaces, the ipcache, metrics and the configuration.
#pragma once

#include <linux/types.h>

#include "abi_numbers.h"

// dp_endpoints: hash from a local address to its endpoint.
struct dp_endpoint_key {
    struct dp_address address;
    __u8 family;
    __u8 pad[3];
};
DP_ASSERT_SIZE(struct dp_endpoint_key, 20);

// The address is the node's own (router address or node address): packets go to the stack, as there is no interface.
#define DP_ENDPOINT_HOST 1
// A packet for the endpoint goes directly to the far end of its veth, past the egress program of the near end. Without
// this flag that egress program delivers the packet.
#define DP_ENDPOINT_PEER 2

struct dp_endpoint {
    __u32 ifindex;
    __u32 identity;
    __u16 id;
    __u16 flags;
    __u8 pod_mac[6];
    __u8 host_mac[6];
};
DP_ASSERT_SIZE(struct dp_endpoint, 24);

// dp_interfaces: hash from the ifindex of the host side of a pod's veth (__u32) to the endpoint.

// The endpoint's policies decide about new connections of this direction.
#define DP_INTERFACE_POLICY_INGRESS 1
#define DP_INTERFACE_POLICY_EGRESS 2

struct dp_interface {
    struct dp_address ipv6;
    __u32 ipv4;
    __u32 identity;
    __u16 endpoint_id;
    __u16 flags;
    __u8 pod_mac[6];
    __u8 host_mac[6];
    // The agent raises it whenever the endpoint's policy forbids something that it did not forbid before.
    __u32 policy_revision;
};
DP_ASSERT_SIZE(struct dp_interface, 44);

// dp_ipcache: longest-prefix trie from an address to its identity and the node behind the overlay. prefix_length counts
// from `family`: it is DP_IPCACHE_STATIC_BITS plus the bits of the address.
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
    // 0: the address is reached without the overlay.
    __u8 tunnel_family;
    __u8 pad[3];
};
DP_ASSERT_SIZE(struct dp_ipcache_entry, 24);

// dp_metrics: per-CPU hash of drops. Forwarded packets are counted in dp_forwarded.
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

// dp_forwarded: per-CPU array of struct dp_metrics that counts forwarded packets. The index is direction *
// DP_FORWARDED_POINTS + point. A packet that the flow cache serves is counted apart where it enters its program, at an
// index that is higher by DP_FORWARDED_CACHED; where it leaves, it is counted as any other.
#define DP_FORWARDED_POINTS 32
#define DP_FORWARDED_CACHED 64
#define DP_MAX_FORWARDED 160

// dp_config: an array with one entry.
#define DP_CONFIG_TRACE 1
// Of TCP, only segments with SYN, FIN or RST are traced.
#define DP_CONFIG_TRACE_AGGREGATE 2
// Services are translated packet by packet.
#define DP_CONFIG_SERVICES 4
// Sockets are translated only in the node's own network namespace.
#define DP_CONFIG_SOCKETS_OF_HOST 8
// Pods of other nodes are reached by the node's own routes. Without this flag they are reached through the overlay.
#define DP_CONFIG_NATIVE_ROUTING 16
// What pods send to the outside goes directly to the device that masquerades it. This is set when this datapath does
// both services and masquerade, so that netfilter, and whatever rules others left there, plays no part.
#define DP_CONFIG_HOST_ROUTING 32
// Calls of services that arrive at a node device are translated.
#define DP_CONFIG_NODE_SERVICES 64
// Other nodes lead calls here, and the answers to these leave directly under the frontend's address.
#define DP_CONFIG_DIRECT_RETURN 128

// Packets of pods with an egress rate are given the time at which they may leave.
#define DP_CONFIG_BANDWIDTH 0x10000

// Another CNI plugin makes the pods' interfaces, and ARP is between the pod and what that plugin made.
#define DP_CONFIG_ARP_PASSTHROUGH 0x20000

// The agent that wrote this was started to trace packets (bpf.events.trace.enabled). It is read by the next agent, which
// keeps trace_mask only if it is started in the same way. Programs do not read it.
#define DP_CONFIG_TRACE_BY_DEFAULT 0x40000

// The largest number of ranges that the pods of a cluster may come from.
#define DP_MAX_CLUSTER_RANGES 4

// An address range in network byte order. A mask of zero means that there is none.
struct dp_range {
    __u32 address;
    __u32 mask;
};
DP_ASSERT_SIZE(struct dp_range, 8);

struct dp_config {
    __u32 abi_version;
    __u32 flags;
    // Bit n turns trace point n on. Drops are always reported.
    __u32 trace_mask;
    __u32 node_identity;
    __u32 node_ipv4;
    __u32 router_ipv4;
    // The node's own pod range, and those of the whole cluster.
    struct dp_range pod_range;
    struct dp_range cluster_ranges[DP_MAX_CLUSTER_RANGES];
    __u32 host_ifindex;
    __u32 overlay_ifindex;
    __u32 node_ifindex;
    __u16 tunnel_port;
    __u8 host_mac[6];
    // The longest IPv4 packet that pods may send and receive, in bytes; 0: not checked.
    __u32 route_mtu;
};
DP_ASSERT_SIZE(struct dp_config, 88);
