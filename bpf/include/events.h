// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Events for the agent. The transport header is read only when an event is written.
#pragma once

#include <linux/bpf.h>
#include <linux/in.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"
#include "flow.h"
#include "maps.h"
#include "metrics.h"
#include "packet.h"
#include "subprogram.h"

// Offsets and bits of the TCP header (RFC 9293, section 3.1).
#define TCP_FLAGS_OFFSET 13
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

// The size of a record with the header that the ring buffer puts before it.
#define EVENT_RECORD_BYTES (BPF_RINGBUF_HDR_SZ + sizeof(struct dp_event))

static __always_inline void event_read_ports(struct __sk_buff *skb, struct packet *packet) {
    struct dp_event *event = &packet->event;
    __be16 ports[2];

    if (bpf_skb_load_bytes(skb, packet->l4_offset, ports, sizeof(ports)))
        return;
    event->source_port = bpf_ntohs(ports[0]);
    event->destination_port = bpf_ntohs(ports[1]);
    event->flags |= DP_EVENT_L4;
}

static __always_inline void event_read_icmp(struct __sk_buff *skb, struct packet *packet) {
    struct dp_event *event = &packet->event;
    struct {
        __u8 type;
        __u8 code;
        __be16 checksum;
        __be16 identifier;
        __be16 sequence;
    } icmp;

    if (bpf_skb_load_bytes(skb, packet->l4_offset, &icmp, sizeof(icmp)))
        return;
    event->icmp_type = icmp.type;
    event->icmp_code = icmp.code;
    event->source_port = bpf_ntohs(icmp.identifier);
    event->destination_port = bpf_ntohs(icmp.sequence);
    event->flags |= DP_EVENT_L4;
}

static __always_inline void event_read_l4(struct __sk_buff *skb, struct packet *packet) {
    struct dp_event *event = &packet->event;

    // A later fragment has no transport header, and the second event of a packet finds it read already.
    if (!packet->l4_offset || event->flags & DP_EVENT_L4)
        return;
    switch (event->protocol) {
    case IPPROTO_TCP:
        event_read_ports(skb, packet);
        bpf_skb_load_bytes(skb, packet->l4_offset + TCP_FLAGS_OFFSET, &event->tcp_flags, 1);
        break;
    case IPPROTO_UDP:
        event_read_ports(skb, packet);
        break;
    case IPPROTO_ICMP:
        event_read_icmp(skb, packet);
        break;
    }
}

// Says whether to wake the reader. Traces wake it once for many events, since waking it for every packet costs more
// than the packet; the agent also reads the buffer when somebody asks for events. A drop wakes it at once.
static __always_inline __u64 event_wakeup(const struct dp_event *event, __u64 used) {
    if (event->type == DP_EVENT_DROP)
        return 0;
    return used / DP_EVENTS_WAKEUP_BYTES == (used + EVENT_RECORD_BYTES) / DP_EVENTS_WAKEUP_BYTES ? BPF_RB_NO_WAKEUP
                                                                                                : BPF_RB_FORCE_WAKEUP;
}

GLOBAL_SUBPROGRAM int event_write(struct __sk_buff *skb) {
    struct flow *flow = flow_lookup();

    if (!flow)
        return 0;

    struct packet *packet = &flow->packet;
    struct dp_event *event = &packet->event;
    __u64 used;

    event_read_l4(skb, packet);
    if (event->type == DP_EVENT_TRACE && packet->trace_flags & DP_CONFIG_TRACE_AGGREGATE &&
        event->protocol == IPPROTO_TCP && event->flags & DP_EVENT_L4 &&
        !(event->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST)))
        return 0;
    event->ktime_ns = bpf_ktime_get_ns();
    used = bpf_ringbuf_query(&dp_events, BPF_RB_AVAIL_DATA);
    if ((event->type == DP_EVENT_TRACE && used >= DP_EVENTS_TRACE_BYTES) ||
        bpf_ringbuf_output(&dp_events, event, sizeof(*event), event_wakeup(event, used)))
        metrics_count(DP_EVENT_LOST, event->direction, event->point, sizeof(*event));
    return 0;
}
