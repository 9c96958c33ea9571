// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// The node's configuration.
#pragma once

#include <linux/bpf.h>
#include <linux/stddef.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"
#include "maps.h"

// Returns NULL until the agent has written a configuration of this ABI version.
static __always_inline const struct dp_config *config_lookup(void) {
    __u32 zero = 0;
    const struct dp_config *config = bpf_map_lookup_elem(&dp_config, &zero);

    return config && config->abi_version == DP_ABI_VERSION ? config : NULL;
}

static __always_inline int range_contains(const struct dp_range *range, __be32 address) {
    return range->mask && (address & range->mask) == range->address;
}

static __always_inline int config_is_local_pod(const struct dp_config *config, __be32 address) {
    return range_contains(&config->pod_range, address);
}

static __always_inline int config_is_cluster_pod(const struct dp_config *config, __be32 address) {
    for (int index = 0; index < DP_MAX_CLUSTER_RANGES; index++)
        if (range_contains(&config->cluster_ranges[index], address))
            return 1;
    return 0;
}

static __always_inline int config_is_native(const struct dp_config *config) {
    return config->flags & DP_CONFIG_NATIVE_ROUTING;
}
