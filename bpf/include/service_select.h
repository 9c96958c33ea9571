// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Selects a backend for a frontend. Nothing here touches a packet, so that the per-packet path and the sockets choose
// alike.
#pragma once

#include <linux/bpf.h>
#include <linux/stddef.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"
#include "service_maps.h"

static __always_inline const struct dp_service *service_lookup(struct dp_service_key *key, __u16 slot) {
    key->slot = slot;
    return bpf_map_lookup_elem(&dp_services, key);
}

// Returns the frontend as callers outside of the cluster find it, or NULL if it is not for them. The scope stays in the
// key.
static __always_inline const struct dp_service *service_lookup_outside(struct dp_service_key *key) {
    const struct dp_service *service = service_lookup(key, 0);

    if (!service || !(service->flags & DP_SERVICE_OUTSIDE))
        return NULL;
    if (!(service->flags & DP_SERVICE_SCOPES))
        return service;
    key->scope = DP_SERVICE_SCOPE_OUTSIDE;
    return service_lookup(key, 0);
}

static __always_inline const struct dp_backend *backend_lookup(__u32 number) {
    return bpf_map_lookup_elem(&dp_backends, &number);
}

// Set in every hash, so that no hash is 0.
#define SERVICE_HASH_PRESENT (1ull << 32)

// Returns the number of a backend for a call, or 0 if there is none. If the frontend has a Maglev table, which is the
// same on all nodes, and `hash` is given, the table decides; otherwise chance does.
static __always_inline __u32 service_pick(struct dp_service_key *key, const struct dp_service *service, __u64 hash) {
    if (service->backend && hash) {
        __u32 index = (__u32)hash % service->backend;
        struct dp_maglev_key part_key = {.rev_nat = service->rev_nat, .part = index / DP_MAGLEV_PART};
        const struct dp_maglev_part *part = bpf_map_lookup_elem(&dp_maglev, &part_key);

        if (part)
            return part->backend[index % DP_MAGLEV_PART];
    }

    const struct dp_service *slot = service_lookup(key, 1 + bpf_get_prandom_u32() % service->count);

    return slot ? slot->backend : 0;
}

// Returns a backend for a client's new connection, with its number, or NULL. `hash` is that of the call, or 0.
static __always_inline const struct dp_backend *service_select(
    struct dp_service_key *key, const struct dp_service *service, const struct dp_address *client, __u64 hash,
    __u32 now, __u32 *number) {
    struct dp_affinity_key affinity_key = {.client = *client, .rev_nat = service->rev_nat, .family = key->family};
    const struct dp_backend *backend;

    *number = 0;
    if (!service->count)
        return NULL;
    if (service->affinity_seconds) {
        const struct dp_affinity *affinity = bpf_map_lookup_elem(&dp_affinity, &affinity_key);

        if (affinity && affinity->expires >= now)
            *number = affinity->backend;
    }
    backend = *number ? backend_lookup(*number) : NULL;
    if (!backend || !(backend->flags & DP_BACKEND_ACTIVE)) {
        *number = service_pick(key, service, hash);
        backend = backend_lookup(*number);
    }
    if (backend && service->affinity_seconds) {
        struct dp_affinity affinity = {.backend = *number, .expires = now + service->affinity_seconds};

        bpf_map_update_elem(&dp_affinity, &affinity_key, &affinity, BPF_ANY);
    }
    return backend;
}
