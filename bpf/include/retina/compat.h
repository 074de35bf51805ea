/* SPDX-License-Identifier: MIT */
/* What differs between compilers and kernels, in one place. */
#ifndef RETINA_COMPAT_H
#define RETINA_COMPAT_H

#include "types.h"

/* TC_ACT_UNSPEC and TCX_NEXT: whoever else is on the hook goes on, and decides. */
#define RT_NEXT (-1)

/*
 * Keeps the compiler from knowing `value` any better than the text says. The verifiers of 5.10 and 6.1 forget the range of
 * `a | b`, into which clang turns additions of values with no common bits; hidden, they stay additions.
 */
#define RT_HIDE(value) asm volatile("" : "+r"(value))

/* A load the compiler makes exactly once. */
#define RT_READ_ONCE(location) (*(volatile typeof(location) *)&(location))
#define RT_WRITE_ONCE(location, value) (*(volatile typeof(location) *)&(location) = (value))

#endif
