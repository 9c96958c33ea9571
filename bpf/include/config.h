// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// The node's configuration.
#pragma once

#include <linux/bpf.h>
#include <linux/stddef.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"
#include "maps.h"

// NULL until the agent has written a configuration of this ABI.
static __always_inline const struct dp_config *config_lookup(void) {
    __u32 zero = 0;
    const struct dp_config *config = bpf_map_lookup_elem(&dp_config, &zero);

    return config && config->abi_version == DP_ABI_VERSION ? config : NULL;
}

static __always_inline int config_is_local_pod(const struct dp_config *config, __be32 address) {
    return config->pod_range_mask && (address & config->pod_range_mask) == config->pod_range;
}

static __always_inline int config_is_cluster_pod(const struct dp_config *config, __be32 address) {
    return config->cluster_range_mask && (address & config->cluster_range_mask) == config->cluster_range;
}
