// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Connections and fragments.
#pragma once

#include <linux/types.h>

#include "abi_numbers.h"

// dp_ct_tcp (TCP) and dp_ct_any (every other protocol): LRU hashes, connection → its state.
//
// The key is the packet that opened the connection, as the point that tracks it saw it: after the translation of a
// service, before the translation back. A packet of the other direction is looked up with source and destination
// exchanged. Ports in network byte order. ICMP echo: the identifier is the requester's port, the other one is zero.
// Other protocols: zero.
enum dp_ct_direction {
    // The endpoint at the source's end opened it, and its interface tracks it.
    DP_CT_EGRESS = 1,
    // The endpoint at the destination's end was called, and its interface tracks it.
    DP_CT_INGRESS = 2,
    // The call of a service before its translation: remembers the backend.
    DP_CT_SERVICE = 3,
    // The node translated a call from outside (NodePort), so that it went from the caller to a backend: tells the
    // node's devices whose packets give way to the node's address, and which come back as from the frontend.
    DP_CT_NODE = 4,
    // A pod's packet that came out of the node's stack, translated by netfilter (kube-proxy): what answers it goes
    // there, too.
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

// X(NAME, number, name).
//   OPENING      TCP: no segment without SYN yet; others: no answer yet
//   CLOSING      TCP: one side has sent FIN
//   CLOSED       TCP: both have, or one has sent RST
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

// Seconds without a packet after which an entry is void, by state.
#define DP_CT_OPENING_SECONDS 60
#define DP_CT_TCP_SECONDS 8000
#define DP_CT_CLOSED_SECONDS 10
// Of entries that see one side only: after its FIN.
#define DP_CT_SERVICE_CLOSING_SECONDS 120
#define DP_CT_ANY_SECONDS 60

#define DP_CT_REPLIED 1
#define DP_CT_FIN_FORWARD 2
#define DP_CT_FIN_REPLY 4
// Goes through the proxy at `proxy_port` (network byte order).
#define DP_CT_PROXY 8
// An endpoint calls itself through a service, under DP_LOOPBACK_IPV4 as its source.
#define DP_CT_LOOPBACK 16
// Of node entries: the answers do not come back to the node that was called, so that each node sees one side.
#define DP_CT_DIRECT 32

struct dp_ct_entry {
    // CLOCK_MONOTONIC, seconds; void when it is past.
    __u32 expires;
    __u32 source_identity;
    // Of service entries: the backend that was chosen.
    __u32 backend;
    // Replies are translated back with it (dp_revnat); 0: they are not.
    __u16 rev_nat;
    __u16 proxy_port;
    // The policy programs' own: the revision that let it pass. Nothing else depends on it.
    __u32 policy_revision;
    __u8 state;
    __u8 flags;
    __u8 pad[2];
};
DP_ASSERT_SIZE(struct dp_ct_entry, 24);

// What a packet is to the connections known: X(NAME, number, name).
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

// dp_fragments: LRU hash, IPv4 packet → ports of its first fragment.
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
