#pragma once
#include <zlib.h>

// The macros of zlib.h with the size of its struct and its version, which Swift cannot call.
static inline int labrun_inflate_init(z_stream *stream) { return inflateInit(stream); }
static inline int labrun_deflate_init(z_stream *stream, int level) { return deflateInit(stream, level); }
