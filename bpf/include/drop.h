// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Every drop is counted and reported with its reason and the line that decided it.
#pragma once

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"
#include "events.h"
#include "flow.h"
#include "metrics.h"
#include "packet.h"
#include "subprogram.h"

// The compiler folds this into a constant. A file that DP_SOURCE_FILES does not list is a compile error.
#define DROP_FILE_CASE(name, number, file) !__builtin_strcmp(__FILE_NAME__, file) ? number:
#define DROP_FILE (DP_SOURCE_FILES(DROP_FILE_CASE) 0)

#define DROP_RECORD(skb, packet, reason) \
    ({ \
        _Static_assert(DROP_FILE != 0, "file is not listed in DP_SOURCE_FILES"); \
        (void)(packet); \
        drop_record(skb, reason, (__u32)DROP_FILE << 16 | __LINE__); \
    })

// Records the drop and evaluates to the verdict.
#define DROP(skb, packet, reason) (DROP_RECORD(skb, packet, reason), TC_ACT_SHOT)

GLOBAL_SUBPROGRAM int drop_record(struct __sk_buff *skb, __s32 reason, __u32 site) {
    struct flow *flow = flow_lookup();

    if (!flow)
        return 0;

    struct dp_event *event = &flow->packet.event;

    metrics_count(reason, event->direction, event->point, event->length);
    event->type = DP_EVENT_DROP;
    event->reason = reason;
    event->file = site >> 16;
    event->line = site & 0xFFFF;
    return event_write(skb);
}

// Drops what every pod's kernel sends unasked: it is counted, but not reported.
static __always_inline int drop_silently(const struct packet *packet, __s32 reason) {
    metrics_count(reason, packet->event.direction, packet->event.point, packet->event.length);
    return TC_ACT_SHOT;
}
