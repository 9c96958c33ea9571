// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Names of the numbers, for programs that print them.
#pragma once

#include "abi_connections.h"
#include "abi_numbers.h"

#ifndef __bpf__
#include <stddef.h>

/// Returns the code of the drop reason at a position of the list, or 0 past its end.
static inline int dp_reason_at(unsigned int position) {
#define DP_REASON_CODE(name, value, slug, text) value,
    static const int codes[] = {DP_DROP_REASONS(DP_REASON_CODE)};
#undef DP_REASON_CODE
    return position < sizeof(codes) / sizeof(codes[0]) ? codes[position] : DP_FORWARDED;
}

/// Returns the reason's short name, or NULL for a code that this build does not know.
static inline const char *dp_reason_slug(int code) {
    switch (code) {
#define DP_REASON_SLUG(name, value, slug, text) \
    case value: \
        return slug;
        DP_DROP_REASONS(DP_REASON_SLUG)
#undef DP_REASON_SLUG
    case DP_FORWARDED:
        return "forwarded";
    case DP_EVENT_LOST:
        return "event-lost";
    default:
        return NULL;
    }
}

/// Returns what the reason means, or NULL.
static inline const char *dp_reason_text(int code) {
    switch (code) {
#define DP_REASON_TEXT(name, value, slug, text) \
    case value: \
        return text;
        DP_DROP_REASONS(DP_REASON_TEXT)
#undef DP_REASON_TEXT
    default:
        return NULL;
    }
}

/// Returns the trace point's name, or NULL.
static inline const char *dp_point_name(int number) {
    switch (number) {
#define DP_POINT_NAME(name, value, text) \
    case value: \
        return text;
        DP_TRACE_POINTS(DP_POINT_NAME)
#undef DP_POINT_NAME
    default:
        return NULL;
    }
}

/// Returns the name of the connection's state, or NULL.
static inline const char *dp_ct_state_name(int number) {
    switch (number) {
#define DP_CT_STATE_NAME(name, value, text) \
    case value: \
        return text;
        DP_CT_STATES(DP_CT_STATE_NAME)
#undef DP_CT_STATE_NAME
    default:
        return NULL;
    }
}

/// Returns the conntrack verdict's name, or NULL.
static inline const char *dp_ct_verdict_name(int number) {
    switch (number) {
#define DP_CT_VERDICT_NAME(name, value, text) \
    case value: \
        return text;
        DP_CT_VERDICTS(DP_CT_VERDICT_NAME)
#undef DP_CT_VERDICT_NAME
    default:
        return NULL;
    }
}

/// Returns the source file's name, or NULL.
static inline const char *dp_file_name(int number) {
    switch (number) {
#define DP_FILE_NAME(name, value, file) \
    case value: \
        return file;
        DP_SOURCE_FILES(DP_FILE_NAME)
#undef DP_FILE_NAME
    default:
        return NULL;
    }
}
#endif
