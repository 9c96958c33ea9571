// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Devices of the node, egress rates, and masquerade.
#pragma once

#include <linux/types.h>

#include "abi_numbers.h"

// dp_devices: hash from the ifindex of a node device (__u32) to the address that pods take when they leave by it.
struct dp_device {
    struct dp_address ipv6;
    __u32 ipv4;
    __u32 flags;
};
DP_ASSERT_SIZE(struct dp_device, 24);

// dp_bandwidth: hash from a local pod's address (struct dp_address) to its egress rate and the time its last packet
// leaves.
struct dp_bandwidth {
    __u64 bytes_per_second;
    // CLOCK_MONOTONIC. Only the programs write it.
    __u64 next_ns;
};
DP_ASSERT_SIZE(struct dp_bandwidth, 16);

// dp_nat_config: an array with one entry.
#define DP_NAT_MASQUERADE 1
// Pods are masqueraded towards the addresses of other nodes, too.
#define DP_NAT_REMOTE_NODES 2

// The default range begins above the ports of NodePort services (30000 … 32767).
#define DP_NAT_MIN_PORT 32768
#define DP_NAT_MAX_PORT 65535

struct dp_nat_config {
    __u32 flags;
    __u16 min_port;
    __u16 max_port;
    // Bytes of IP. A translated answer that is longer goes through the stack, which fragments it or refuses it.
    __u32 pod_mtu;
    __u32 pad;
};
DP_ASSERT_SIZE(struct dp_nat_config, 16);

// dp_nat_exclude: longest-prefix trie (struct dp_ipcache_key) of destinations towards which pods keep their address.
// The value (__u32) says why.
#define DP_NAT_EXCLUDE_NATIVE_ROUTING 1
#define DP_NAT_EXCLUDE_NON_MASQUERADE 2

// dp_nat: LRU hash. Each flow has two entries: one maps the packets that leave (direction egress) to their new source,
// the other maps the packets that answer (ingress) to their new destination. Of an ICMP echo, the port at the node's
// side is the identifier, and the other port is 0.
struct dp_nat_key {
    struct dp_address source;
    struct dp_address destination;
    __u16 source_port;
    __u16 destination_port;
    __u8 protocol;
    __u8 family;
    __u8 direction;
    __u8 pad;
};
DP_ASSERT_SIZE(struct dp_nat_key, 40);

// The flow is the node's own. It is listed so that no pod takes its port.
#define DP_NAT_HOST 1
// The other side has answered.
#define DP_NAT_REPLIED 2
// TCP: FIN or RST was seen.
#define DP_NAT_CLOSING 4
// The caller is outside of the cluster, and the node leads the call to a backend on another node.
#define DP_NAT_SERVICE 8

// The lowest port for such callers. It lies above the ports that the node's own sockets take (ip_local_port_range,
// 32768 … 60999), whose flows to pods are not listed.
#define DP_NAT_SERVICE_MIN_PORT 61000

struct dp_nat_entry {
    struct dp_address address;
    // Both times are CLOCK_MONOTONIC. The last use is written at most once a second.
    __u64 created_ns;
    __u64 used_ns;
    __u16 port;
    __u16 flags;
    __u32 pad;
};
DP_ASSERT_SIZE(struct dp_nat_entry, 40);

// dp_nat_fragment: LRU hash from a fragmented answer, as its first fragment arrived, to the pod (struct dp_address).
struct dp_nat_fragment_key {
    struct dp_address source;
    struct dp_address destination;
    __u16 identification;
    __u8 protocol;
    __u8 family;
};
DP_ASSERT_SIZE(struct dp_nat_fragment_key, 36);
