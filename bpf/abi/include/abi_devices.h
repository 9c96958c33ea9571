// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Devices of the node, egress rates, and masquerade.
#pragma once

#include <linux/types.h>

#include "abi_numbers.h"

// dp_devices: hash, ifindex of a node device (__u32) → the address that pods take when they leave by it.
struct dp_device {
    struct dp_address ipv6;
    __u32 ipv4;
    __u32 flags;
};
DP_ASSERT_SIZE(struct dp_device, 24);

// dp_bandwidth: hash, address of a local pod (struct dp_address) → its egress rate, and when its last packet leaves.
struct dp_bandwidth {
    __u64 bytes_per_second;
    // CLOCK_MONOTONIC; the programs' own.
    __u64 next_ns;
};
DP_ASSERT_SIZE(struct dp_bandwidth, 16);

// dp_nat_config: array of one.
#define DP_NAT_MASQUERADE 1
// Pods are masqueraded towards the addresses of other nodes too.
#define DP_NAT_REMOTE_NODES 2

// Above the service node ports (30000 … 32767).
#define DP_NAT_MIN_PORT 32768
#define DP_NAT_MAX_PORT 65535

struct dp_nat_config {
    __u32 flags;
    __u16 min_port;
    __u16 max_port;
    // A translated answer that is longer than this many bytes of IP goes through the stack, which fragments or refuses.
    __u32 pod_mtu;
    __u32 pad;
};
DP_ASSERT_SIZE(struct dp_nat_config, 16);

// dp_nat_exclude: longest-prefix trie (struct dp_ipcache_key) → why pods keep their address towards it (__u32).
#define DP_NAT_EXCLUDE_NATIVE_ROUTING 1
#define DP_NAT_EXCLUDE_NON_MASQUERADE 2

// dp_nat: LRU hash. Each flow has two entries: the packet that leaves (direction egress) → its new source, the packet
// that answers (ingress) → its new destination. Ports of an ICMP echo: its identifier is the node's side's, the other
// is 0.
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

// A flow of the node itself, listed so that no pod takes its port.
#define DP_NAT_HOST 1
// The other side has answered.
#define DP_NAT_REPLIED 2
// TCP: FIN or RST was seen.
#define DP_NAT_CLOSING 4
// A caller from outside, whom the node leads to a backend of another node.
#define DP_NAT_SERVICE 8

// Ports of such callers: above those that the node's own sockets take (ip_local_port_range, 32768 … 60999), whose flows
// to pods are not listed.
#define DP_NAT_SERVICE_MIN_PORT 61000

struct dp_nat_entry {
    struct dp_address address;
    // CLOCK_MONOTONIC; the last use is noted once a second.
    __u64 created_ns;
    __u64 used_ns;
    __u16 port;
    __u16 flags;
    __u32 pad;
};
DP_ASSERT_SIZE(struct dp_nat_entry, 40);

// dp_nat_fragment: LRU hash, a fragmented answer as its first fragment came → the pod (struct dp_address).
struct dp_nat_fragment_key {
    struct dp_address source;
    struct dp_address destination;
    __u16 identification;
    __u8 protocol;
    __u8 family;
};
DP_ASSERT_SIZE(struct dp_nat_fragment_key, 36);
