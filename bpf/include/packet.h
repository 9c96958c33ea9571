// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// What is known of the current packet. It has the shape of an event, so that reporting it is a single copy.
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

#include "datapath_abi.h"

struct packet {
    struct dp_event event;
    // The offset of the transport header from the start of the packet; 0: not known.
    __u32 l4_offset;
    __u32 trace_flags;
};
