// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Conntrack entries of calls from outside that a node translated: from the caller to the backend, with the frontend
// that was called.
#pragma once

#include "ct.h"
#include "datapath_abi.h"
#include "drop.h"
#include "flow.h"
#include "packet.h"

// Enters a call as it is after its translation. Returns 0 or a drop reason.
static __always_inline int node_flow_remember(const struct packet *packet, struct flow *flow) {
    struct dp_ct_key *key = &flow->tuple;
    __u32 now = flow_now(flow);
    struct dp_ct_entry *entry;

    key->direction = DP_CT_NODE;
    entry = ct_entry(key, now);
    if (entry && entry->rev_nat == flow->connection.rev_nat &&
        !(entry->state == DP_CT_STATE_CLOSED && ct_is_opening_segment(packet))) {
        ct_follow(entry, packet, flow, DP_CT_NODE, 0, now);
        return 0;
    }

    struct dp_ct_entry fresh = {
        .source_identity = packet->event.source_identity,
        .rev_nat = flow->connection.rev_nat,
        .flags = flow->connection.flags & DP_CT_DIRECT,
        .state = DP_CT_STATE_OPENING,
    };

    ct_follow(&fresh, packet, flow, DP_CT_NODE, 0, now);
    return ct_insert(key, &fresh) ? DP_DROP_CT_INSERTION_FAILED : 0;
}
