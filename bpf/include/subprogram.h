// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Functions with a stack frame of their own; not every object that includes one calls it.
#pragma once

// Walked by the verifier once for every state that it is called in.
#define SUBPROGRAM static __attribute__((noinline, unused))

// Walked once, whoever calls it: it takes numbers alone, which the verifier of 5.10 asks for.
#define GLOBAL_SUBPROGRAM __attribute__((noinline))
