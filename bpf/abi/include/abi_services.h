// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Services, their backends, and sockets that were translated.
#pragma once

#include <linux/types.h>

#include "abi_numbers.h"

// dp_services: hash. Slot 0 is the frontend, and the slots 1 … count name its backends. Ports are in network byte
// order.
struct dp_service_key {
    struct dp_address address;
    __u16 port;
    __u16 slot;
    __u8 protocol;
    __u8 family;
    // 0: for every caller or, if the frontend has DP_SERVICE_SCOPES, for callers inside the cluster.
    __u8 scope;
    __u8 pad;
};
DP_ASSERT_SIZE(struct dp_service_key, 24);

// The scope of calls from outside of the cluster: the node's own backends (externalTrafficPolicy: Local).
#define DP_SERVICE_SCOPE_OUTSIDE 1

// Flags of a frontend in scope 0. This one: the frontend is called from outside of the cluster, too.
#define DP_SERVICE_OUTSIDE 1
// Calls from outside have other backends, which are those of DP_SERVICE_SCOPE_OUTSIDE.
#define DP_SERVICE_SCOPES 2
// Backends on other nodes answer the caller directly.
#define DP_SERVICE_DIRECT 4

struct dp_service {
    // Slots 1 …: the key into dp_backends. Slot 0: the number of entries in the frontend's Maglev table; 0: it has no
    // table.
    __u32 backend;
    // Slot 0: the seconds for which a client stays with its backend; 0: there is no affinity.
    __u32 affinity_seconds;
    __u16 count;
    // The key into dp_revnat. It also identifies the frontend in dp_affinity and dp_maglev.
    __u16 rev_nat;
    __u16 flags;
    __u16 pad;
};
DP_ASSERT_SIZE(struct dp_service, 16);

// dp_backends: hash from a number (__u32) to a backend. A backend that is not active takes no new connections.
#define DP_BACKEND_ACTIVE 1

struct dp_backend {
    struct dp_address address;
    __u16 port;
    __u8 protocol;
    __u8 family;
    __u8 flags;
    __u8 pad[3];
};
DP_ASSERT_SIZE(struct dp_backend, 24);

// dp_revnat: hash from an index (__u32) to the frontend under whose address replies return.
struct dp_revnat {
    struct dp_address address;
    __u16 port;
    __u8 family;
    __u8 pad;
};
DP_ASSERT_SIZE(struct dp_revnat, 20);

// An IPv4 option (RFC 791, section 3.1: copied, class 0) right behind the fixed header. A node that leads a call to a
// backend of another node writes the frontend into it, the other node removes it and answers under that frontend. The
// type and the length are the same as Cilium's.
#define DP_DIRECT_OPTION_TYPE 0x9A

struct dp_direct_option {
    __u8 type;
    __u8 length;
    __u16 port;
    __u32 address;
};
DP_ASSERT_SIZE(struct dp_direct_option, 8);

// dp_maglev: hash from a part of a frontend's Maglev table to numbers of backends. Entry n is in part n /
// DP_MAGLEV_PART.
#define DP_MAGLEV_PART 128

struct dp_maglev_key {
    __u16 rev_nat;
    __u16 part;
};
DP_ASSERT_SIZE(struct dp_maglev_key, 4);

struct dp_maglev_part {
    __u32 backend[DP_MAGLEV_PART];
};
DP_ASSERT_SIZE(struct dp_maglev_part, 512);

// dp_affinity: LRU hash from a client of a frontend to its backend.
struct dp_affinity_key {
    struct dp_address client;
    __u32 rev_nat;
    __u8 family;
    __u8 pad[3];
};
DP_ASSERT_SIZE(struct dp_affinity_key, 24);

struct dp_affinity {
    __u32 backend;
    // CLOCK_MONOTONIC in seconds.
    __u32 expires;
};
DP_ASSERT_SIZE(struct dp_affinity, 8);

// dp_sockets: LRU hash from a socket and the backend that it talks to, to the frontend that the program called.
struct dp_socket_key {
    __u64 cookie;
    struct dp_address address;
    __u16 port;
    __u8 family;
    __u8 pad[5];
};
DP_ASSERT_SIZE(struct dp_socket_key, 32);

// 169.254.42.1 in network byte order: the source address of an endpoint that calls itself through a service. Under its
// own address the answer would not leave the pod and never pass the datapath.
#define DP_LOOPBACK_IPV4 0x012AFEA9
