/* SPDX-License-Identifier: MIT */
/* Map declarations by purpose, so that a program reads as what it counts. */
#ifndef RETINA_MAPS_H
#define RETINA_MAPS_H

#include "types.h"

/* Per-CPU totals, summed by the loader (`counters`). `value_type` is __u64 or a struct of them. */
#define RT_COUNTERS(name, value_type, entries) \
	_Static_assert(sizeof(value_type) % 8 == 0, #name ": counters are made of __u64"); \
	struct { \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); \
		__uint(max_entries, entries); \
		__type(key, __u32); \
		__type(value, value_type); \
	} name SEC(".maps")

/* An array that user space maps into its memory: settings that change while programs run. */
#define RT_SHARED(name, value_type, entries) \
	struct { \
		__uint(type, BPF_MAP_TYPE_ARRAY); \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(max_entries, entries); \
		__type(key, __u32); \
		__type(value, value_type); \
	} name SEC(".maps")

/* Working memory of one program run that is too large for the stack. */
#define RT_SCRATCH(name, value_type) \
	struct { \
		__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); \
		__uint(max_entries, 1); \
		__type(key, __u32); \
		__type(value, value_type); \
	} name SEC(".maps")

/* A hash for state between events of one subject, never for counts: the least recently used entries go when it is full. */
#define RT_LRU(name, key_type, value_type, entries) \
	struct { \
		__uint(type, BPF_MAP_TYPE_LRU_HASH); \
		__uint(max_entries, entries); \
		__type(key, key_type); \
		__type(value, value_type); \
	} name SEC(".maps")

/* Element `index` of an array map, or NULL. */
RT_INLINE void *rt_at(void *map, __u32 index)
{
	return bpf_map_lookup_elem(map, &index);
}

#endif
