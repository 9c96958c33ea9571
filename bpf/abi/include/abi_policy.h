// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Policy, by identity and port class.
#pragma once

#include <linux/types.h>

#include "abi_numbers.h"

// dp_policy: hash from an endpoint, a peer and a class of ports to the decision about them. Identity 0 stands for any
// peer, class 0 for any protocol and port.
struct dp_policy_key {
    __u16 endpoint_id;
    __u8 direction;
    __u8 pad;
    __u32 identity;
    __u16 port_class;
    __u16 pad2;
};
DP_ASSERT_SIZE(struct dp_policy_key, 12);

// The entry is a deny rule. It wins over every entry that allows.
#define DP_POLICY_DENY 1
// No rule decides: the traffic is denied because some policy selects the endpoint. `rule` then stands for those
// policies.
#define DP_POLICY_DEFAULT_DENY 2
// The connection is allowed through the proxy, which listens on `proxy_port`.
#define DP_POLICY_REDIRECT 4

struct dp_policy_entry {
    __u32 rule;
    __u16 flags;
    __u16 proxy_port;
};
DP_ASSERT_SIZE(struct dp_policy_entry, 8);

// dp_port_classes: array. Ports that all rules of the node treat alike share a class, so that a lookup costs the same
// for a single port, a range, or any number of them. The index is protocol slot * DP_PORT_CHUNKS + port /
// DP_PORTS_IN_CHUNK. Of ICMP, the type takes the port's place.
#define DP_PORTS_IN_CHUNK 64
#define DP_PORT_CHUNKS 1024
#define DP_PORT_SLOT_TCP 0
#define DP_PORT_SLOT_UDP 1
#define DP_PORT_SLOT_SCTP 2
#define DP_PORT_SLOT_ICMP 3
#define DP_PORT_SLOTS 4
#define DP_MAX_PORT_CLASSES (DP_PORT_SLOTS * DP_PORT_CHUNKS)

struct dp_port_chunk {
    __u16 port_class[DP_PORTS_IN_CHUNK];
};
DP_ASSERT_SIZE(struct dp_port_chunk, 128);
