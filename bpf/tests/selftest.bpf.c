// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Brings a packet into a state that only a device can give it, then runs the real program by tail call.
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <linux/stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

// Slot 0: the program under test.
struct {
    __uint(type, BPF_MAP_TYPE_PROG_ARRAY);
    __type(key, __u32);
    __type(value, __u32);
    __uint(max_entries, 1);
} program_under_test SEC(".maps");

// As if the VXLAN device had received the packet: the mark says with which VNI.
SEC("tc")
int with_tunnel_key(struct __sk_buff *skb) {
    struct bpf_tunnel_key key = {.tunnel_id = skb->mark, .remote_ipv4 = 0x0A00000C};

    skb->mark = 0;
    if (bpf_skb_set_tunnel_key(skb, &key, offsetof(struct bpf_tunnel_key, local_ipv4), 0))
        return TC_ACT_STOLEN;
    bpf_tail_call(skb, &program_under_test, 0);
    return TC_ACT_STOLEN;
}

const char datapath_license[] SEC("license") = "Dual BSD/GPL";
