// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Brings a packet into a state that only a device can give it, then runs the real program by tail call.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// Slot 0 is the program under test.
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __type(key, __u32);
    __type(value, __u32);
    __uint(max_entries, 1);
} program_under_test SEC(".maps");

// Acts as if the VXLAN device had received the packet. The mark says with which VNI.
SEC("tc")
int with_tunnel_key(struct __sk_buff *skb) {
    struct bpf_tunnel_key key = {.tunnel_id = skb->mark, .remote_ipv4 = 0x0A00000C};

    skb->mark = 0;
    if (bpf_skb_set_tunnel_key(skb, &key, offsetof(struct bpf_tunnel_key, local_ipv4), 0))
        return TC_ACT_STOLEN;
    bpf_tail_call(skb, &program_under_test, 0);
    return TC_ACT_STOLEN;
}

// The kernel does not reset the packet between the runs of a repeated test, so that all runs but the first would
// measure what the first one left. This driver writes the packet anew. Its own cost is measured with `nothing` in the
// place of the real program.
#define REPEATED_BYTES 64
#define SOURCE_PORT_OFFSET 34

struct repeated {
    __u8 packet[REPEATED_BYTES];
    __u32 mark;
    // The VNI with which the overlay device hands the packet over; 0: it comes without a tunnel key.
    __u32 tunnel_id;
    // If set, every run has another source port and so a new connection.
    __u16 varies_source_port;
    __u16 source_port;
    __u32 pad;
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __type(key, __u32);
    __type(value, struct repeated);
    __uint(max_entries, 1);
} repeated_packet SEC(".maps");

SEC("tc")
int again(struct __sk_buff *skb) {
    __u32 zero = 0;
    struct repeated *repeated = bpf_map_lookup_elem(&repeated_packet, &zero);

    if (!repeated)
        return TC_ACT_STOLEN;
    if (repeated->varies_source_port) {
        __u16 port = bpf_htons(1024 + repeated->source_port % 64000);

        repeated->source_port += 1;
        __builtin_memcpy(repeated->packet + SOURCE_PORT_OFFSET, &port, sizeof(port));
    }
    if (bpf_skb_store_bytes(skb, 0, repeated->packet, REPEATED_BYTES, 0))
        return TC_ACT_STOLEN;
    skb->mark = repeated->mark;
    if (repeated->tunnel_id) {
        struct bpf_tunnel_key key = {.tunnel_id = repeated->tunnel_id, .remote_ipv4 = 0x0A00000C};

        if (bpf_skb_set_tunnel_key(skb, &key, offsetof(struct bpf_tunnel_key, local_ipv4), 0))
            return TC_ACT_STOLEN;
    }
    bpf_tail_call(skb, &program_under_test, 0);
    return TC_ACT_STOLEN;
}

// Measures the cost of the driver itself.
SEC("tc")
int nothing(struct __sk_buff *skb __attribute__((unused))) {
    return TC_ACT_OK;
}

const char datapath_license[] SEC("license") = "Dual BSD/GPL";
