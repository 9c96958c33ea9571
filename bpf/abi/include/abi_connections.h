// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Connections and fragments.
#pragma once

#include <linux/types.h>

#include "abi_numbers.h"

// The maps dp_ct_tcp (TCP) and dp_ct_any (every other protocol) are LRU hashes from a connection to its state.
//
// The key is the packet that opened the connection, as the point that tracks it saw it: after a service's translation
// and before the translation back. A packet of the other direction is looked up with source and destination exchanged.
// Ports are in network byte order. Of an ICMP echo, the requester's port is the identifier and the other port is zero.
// Other protocols have zero for both ports.
enum dp_ct_direction {
    // The endpoint at the source's end opened the connection, and its interface tracks it.
    DP_CT_EGRESS = 1,
    // The endpoint at the destination's end was called, and its interface tracks the connection.
    DP_CT_INGRESS = 2,
    // The call of a service before its translation. The entry remembers the backend that was chosen.
    DP_CT_SERVICE = 3,
    // The node translated a call from outside (NodePort) into one from the caller to a backend. The entry tells the
    // node's devices which packets take the node's address, and which ones return under the frontend's.
    DP_CT_NODE = 4,
    // A pod's packet that left the node's stack after netfilter (kube-proxy) translated it. Its answers must pass the
    // stack, too.
    DP_CT_NETFILTER = 5,
};

struct dp_ct_key {
    struct dp_address source;
    struct dp_address destination;
    __u16 source_port;
    __u16 destination_port;
    __u8 protocol;
    __u8 family;
    __u8 direction;
    __u8 pad;
};
DP_ASSERT_SIZE(struct dp_ct_key, 40);

// States: X(NAME, number, name).
//   OPENING      TCP: every segment so far had SYN; other protocols: no answer yet
//   CLOSING      TCP: one side has sent FIN
//   CLOSED       TCP: both sides have sent FIN, or one has sent RST
#define DP_CT_STATES(X) \
    X(OPENING, 1, "opening") \
    X(ESTABLISHED, 2, "established") \
    X(CLOSING, 3, "closing") \
    X(CLOSED, 4, "closed")

enum dp_ct_state {
#define DP_CT_STATE_VALUE(name, number, text) DP_CT_STATE_##name = number,
    DP_CT_STATES(DP_CT_STATE_VALUE)
#undef DP_CT_STATE_VALUE
};

// The seconds without a packet after which an entry expires, by state.
#define DP_CT_OPENING_SECONDS 60
#define DP_CT_TCP_SECONDS 8000
#define DP_CT_CLOSED_SECONDS 10
// For entries that see only one side of the connection, after that side's FIN.
#define DP_CT_SERVICE_CLOSING_SECONDS 120
#define DP_CT_ANY_SECONDS 60

#define DP_CT_REPLIED 1
#define DP_CT_FIN_FORWARD 2
#define DP_CT_FIN_REPLY 4
// The connection goes through the proxy at `proxy_port` (network byte order).
#define DP_CT_PROXY 8
// An endpoint calls itself through a service, with DP_LOOPBACK_IPV4 as its source address.
#define DP_CT_LOOPBACK 16
// Set in node entries: the backend answers the caller directly, so that the node that was called sees the caller's side
// only.
#define DP_CT_DIRECT 32

struct dp_ct_entry {
    // CLOCK_MONOTONIC in seconds. The entry is void when this is past.
    __u32 expires;
    __u32 source_identity;
    // The backend that was chosen. Only service entries have it.
    __u32 backend;
    // The key into dp_revnat with which replies are translated back; 0: they are not translated.
    __u16 rev_nat;
    __u16 proxy_port;
    // The policy revision that let the connection pass. Only the policy programs read it.
    __u32 policy_revision;
    __u8 state;
    __u8 flags;
    __u8 pad[2];
};
DP_ASSERT_SIZE(struct dp_ct_entry, 24);

// How a packet relates to the connections that are known: X(NAME, number, name).
#define DP_CT_VERDICTS(X) \
    X(NEW, 1, "new") \
    X(ESTABLISHED, 2, "established") \
    X(REPLY, 3, "reply") \
    X(RELATED, 4, "related")

enum dp_ct_verdict {
    DP_CT_UNTRACKED = 0,
#define DP_CT_VERDICT_VALUE(name, number, text) DP_CT_##name = number,
    DP_CT_VERDICTS(DP_CT_VERDICT_VALUE)
#undef DP_CT_VERDICT_VALUE
};

// dp_fragments: LRU hash from an IPv4 packet to the ports that its first fragment had.
struct dp_fragment_key {
    struct dp_address source;
    struct dp_address destination;
    __u16 identification;
    __u8 protocol;
    __u8 family;
};
DP_ASSERT_SIZE(struct dp_fragment_key, 36);

struct dp_fragment_ports {
    __u16 source_port;
    __u16 destination_port;
};
DP_ASSERT_SIZE(struct dp_fragment_ports, 4);
