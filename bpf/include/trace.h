// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Counts a packet at a trace point, and reports it if the configuration asks for it.
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"
#include "events.h"
#include "metrics.h"
#include "packet.h"

static __always_inline int trace_wanted(const struct dp_config *config, enum dp_point point) {
    return config->flags & DP_CONFIG_TRACE && config->trace_mask & (1u << point);
}

// The packet's own point stays that at which its program was entered, and a later drop is reported there.
static __always_inline void trace(
    struct __sk_buff *skb, struct packet *packet, const struct dp_config *config, enum dp_point point) {
    metrics_forwarded(packet->event.direction, point, packet->event.length);
    if (!trace_wanted(config, point))
        return;

    __u8 entered = packet->event.point;

    packet->event.type = DP_EVENT_TRACE;
    packet->event.reason = DP_FORWARDED;
    packet->event.point = point;
    packet->trace_flags = config->flags;
    event_write(skb);
    packet->event.point = entered;
}
