// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Lookups of addresses and interfaces.
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"
#include "maps.h"

static __always_inline const struct dp_interface *interface_lookup(__u32 ifindex) {
    return bpf_map_lookup_elem(&dp_interfaces, &ifindex);
}

// Returns NULL for a device that the agent was not told to use.
static __always_inline const struct dp_device *device_lookup(__u32 ifindex) {
    return bpf_map_lookup_elem(&dp_devices, &ifindex);
}

static __always_inline const struct dp_endpoint *endpoint_lookup_ipv4(__be32 address) {
    struct dp_endpoint_key key = {.address.word[0] = address, .family = DP_FAMILY_IPV4};

    return bpf_map_lookup_elem(&dp_endpoints, &key);
}

static __always_inline const struct dp_ipcache_entry *ipcache_lookup_ipv4(__be32 address) {
    struct dp_ipcache_key key = {
        .prefix_length = DP_IPCACHE_STATIC_BITS + 32,
        .family = DP_FAMILY_IPV4,
        .address.word[0] = address,
    };

    return bpf_map_lookup_elem(&dp_ipcache, &key);
}

// Local endpoints come first, since this node decides their identities. An address that nothing claims is the world.
static __always_inline __u32 identity_of_ipv4(__be32 address) {
    const struct dp_endpoint *endpoint = endpoint_lookup_ipv4(address);

    if (endpoint)
        return endpoint->flags & DP_ENDPOINT_HOST ? DP_IDENTITY_HOST : endpoint->identity;

    const struct dp_ipcache_entry *entry = ipcache_lookup_ipv4(address);

    return entry ? entry->identity : DP_IDENTITY_WORLD;
}
