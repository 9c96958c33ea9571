// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// ICMP (RFC 792). linux/icmp.h would include headers of the C library.
#pragma once

#include <linux/types.h>

#define ICMP_ECHOREPLY 0
#define ICMP_DEST_UNREACH 3
#define ICMP_ECHO 8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_PARAMETERPROB 12

// The header of an echo. An error has other fields after the checksum, and is followed by the packet that it is about.
struct icmp_header {
    __u8 type;
    __u8 code;
    __be16 checksum;
    __be16 identifier;
    __be16 sequence;
};

static inline __attribute__((always_inline)) int icmp_is_error(__u8 type) {
    return type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED || type == ICMP_PARAMETERPROB;
}
