// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
//
// Functions with their own stack frame. Some objects include such a function and do not call it.
#pragma once

// The verifier walks such a function once for every state that it is called in.
#define SUBPROGRAM static __attribute__((noinline, unused))

// The verifier walks such a function once in all. Its arguments must be numbers: the verifier of Linux 5.10 knows no
// others.
#define GLOBAL_SUBPROGRAM __attribute__((noinline))
