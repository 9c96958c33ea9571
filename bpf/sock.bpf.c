// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Services at the socket: connect(2) and sendmsg(2) go to a backend at once, while the program still sees the frontend.
// No packet ever has the frontend's address, so this serves the node itself, too.
#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/stddef.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "config.h"
#include "datapath_abi.h"
#include "service_select.h"

#define SOCKET_PASS 1
// The caller gets the error EPERM.
#define SOCKET_REFUSE 0

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __type(key, struct dp_socket_key);
    __type(value, struct dp_revnat);
    __uint(max_entries, DP_MAX_SOCKETS);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} dp_sockets SEC(".maps");

static __always_inline void socket_key(
    struct dp_socket_key *key, struct bpf_sock_addr *ctx, __be32 address, __be16 port) {
    __builtin_memset(key, 0, sizeof(*key));
    key->cookie = bpf_get_socket_cookie(ctx);
    key->address.word[0] = address;
    key->port = port;
    key->family = DP_FAMILY_IPV4;
}

static __always_inline int socket_is_served(struct bpf_sock_addr *ctx) {
    const struct dp_config *config = config_lookup();

    if (!config || !(config->flags & DP_CONFIG_SERVICES))
        return 0;
    return !(config->flags & DP_CONFIG_SOCKETS_OF_HOST) ||
           bpf_get_netns_cookie(ctx) == bpf_get_netns_cookie(NULL);
}

static __always_inline int socket_forward(struct bpf_sock_addr *ctx) {
    struct dp_service_key key = {
        .address.word[0] = ctx->user_ip4,
        .port = ctx->user_port,
        .protocol = ctx->protocol,
        .family = DP_FAMILY_IPV4,
    };
    const struct dp_service *service;
    const struct dp_backend *backend;
    struct dp_socket_key socket;
    __u32 number;

    if (!socket_is_served(ctx))
        return SOCKET_PASS;
    service = service_lookup(&key, 0);
    if (!service)
        return SOCKET_PASS;

    // The socket has no address yet, so its network namespace is taken for the client that stays with a backend.
    __u64 space = bpf_get_netns_cookie(ctx);
    struct dp_address client = {.word = {space, space >> 32, 0, 0xFFFFFFFF}};
    struct dp_revnat frontend = {
        .address = key.address,
        .port = key.port,
        .family = DP_FAMILY_IPV4,
    };

    backend = service_select(&key, service, &client, 0, bpf_ktime_get_ns() / 1000000000, &number);
    // A pod's packets meet programs that record the drop and answer "port unreachable". The node's own packets meet
    // none.
    if (!backend)
        return space == bpf_get_netns_cookie(NULL) ? SOCKET_REFUSE : SOCKET_PASS;
    socket_key(&socket, ctx, backend->address.word[0], backend->port);
    if (bpf_map_update_elem(&dp_sockets, &socket, &frontend, BPF_ANY))
        return SOCKET_REFUSE;
    ctx->user_ip4 = backend->address.word[0];
    ctx->user_port = backend->port;
    return SOCKET_PASS;
}

static __always_inline int socket_reverse(struct bpf_sock_addr *ctx) {
    const struct dp_revnat *frontend;
    struct dp_socket_key socket;

    socket_key(&socket, ctx, ctx->user_ip4, ctx->user_port);
    frontend = bpf_map_lookup_elem(&dp_sockets, &socket);
    if (frontend) {
        ctx->user_ip4 = frontend->address.word[0];
        ctx->user_port = frontend->port;
    }
    return SOCKET_PASS;
}

SEC("cgroup/connect4")
int sock_connect4(struct bpf_sock_addr *ctx) {
    return socket_forward(ctx);
}

SEC("cgroup/sendmsg4")
int sock_sendmsg4(struct bpf_sock_addr *ctx) {
    return socket_forward(ctx);
}

SEC("cgroup/recvmsg4")
int sock_recvmsg4(struct bpf_sock_addr *ctx) {
    return socket_reverse(ctx);
}

SEC("cgroup/getpeername4")
int sock_getpeername4(struct bpf_sock_addr *ctx) {
    return socket_reverse(ctx);
}

const char datapath_license[] SEC("license") = "Dual BSD/GPL";
