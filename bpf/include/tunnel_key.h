// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// What the overlay device is told about a packet, or tells about it: the identity in the VNI and the other node.
#pragma once

#include <linux/bpf.h>
#include <linux/stddef.h>
#include <bpf/bpf_helpers.h>

// The size of struct bpf_tunnel_key in Linux 5.10. Later kernels accept this length, too; 5.10 refuses longer ones.
#define TUNNEL_KEY_SIZE offsetof(struct bpf_tunnel_key, local_ipv4)

#define TUNNEL_TTL 64

// `remote` is in host byte order. Returns 0 or the kernel's error.
static __always_inline int tunnel_key_set(struct __sk_buff *skb, __u32 remote, __u32 identity) {
    struct bpf_tunnel_key key = {.tunnel_id = identity, .remote_ipv4 = remote, .tunnel_ttl = TUNNEL_TTL};

    // IPv4 allows a zero outer checksum (RFC 7348, section 5); the inner ones still hold.
    return bpf_skb_set_tunnel_key(skb, &key, TUNNEL_KEY_SIZE, BPF_F_ZERO_CSUM_TX);
}
