/* SPDX-License-Identifier: MIT */
/*
 * Constants the host sets before loading:
 *
 *   RT_CONFIG(__u32, sample_one_in, "Report one drop in this many") = 1;
 *
 * They lie in .rodata, which is frozen at load: the verifier knows their values and removes the branches they close.
 */
#ifndef RETINA_CONFIG_H
#define RETINA_CONFIG_H

#include "types.h"

#if __has_attribute(btf_decl_tag)
#define RT_TAG(text) __attribute__((btf_decl_tag(text)))
#else
#define RT_TAG(text)
#endif

/* The doc string reaches user space through BTF, where the compiler can put it there (clang 14). */
#define RT_CONFIG(type, name, doc) const volatile type name RT_TAG("retina:config:" doc)

#endif
