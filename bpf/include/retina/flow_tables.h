/* SPDX-License-Identifier: MIT */
/* What flows are kept in: the maps and constants flow_ring.h names, and the slow ones among them. Included by flow.h. */
#ifndef RETINA_FLOW_TABLES_H
#define RETINA_FLOW_TABLES_H

#include "compat.h"
#include "config.h"
#include "maps.h"
#include "packet.h"

#include "flow_ring.h"

RT_CONFIG(__u32, rt_ring_units, "Units of 32 bytes per CPU in the record ring, a power of two") = 65536;
RT_CONFIG(__u32, rt_ring_cpus, "CPUs with a region in the record ring; 0 counts everything in the spill") = 1;
RT_CONFIG(__u32, rt_sampling, "Look at one packet in this many; 0 and 1: at every packet");
RT_CONFIG(__u64, rt_hash_seed, "Random number: nobody outside can tell which flows share a slot of the index");

/*
 * A unit of the ring: struct rt_counts in pieces, which change without masks and shifts; or, in a wide record's second
 * unit, the addresses as four words.
 */
struct rt_unit {
	__u64 key[2];
	union {
		__u64 packets_word;
		struct {
			__u32 packets;
			__u16 last;
			__u16 flags;
		};
	};
	__u64 bytes_word;
};

_Static_assert(sizeof(struct rt_unit) == RT_UNIT_BYTES && sizeof(struct rt_narrow) == RT_UNIT_BYTES, "one unit");
_Static_assert(sizeof(struct rt_wide) == 2 * RT_UNIT_BYTES, "two units");

/*
 * The ring's elements: a wide record is one, at an even position, so that one look-up and one cache line do for it.
 */
struct rt_unit_pair {
	struct rt_unit unit[2];
};

RT_SHARED(rt_ring, struct rt_unit_pair, 32768);
RT_SHARED(rt_ring_cpu, struct rt_ring_cpu, 1);
RT_SHARED(rt_control, struct rt_flow_control, 1);
RT_COUNTERS(rt_flow_totals, struct rt_flow_total, RT_TOTAL_COUNT);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct rt_spill_key);
	__type(value, struct rt_spill_value);
} rt_spill_0 SEC(".maps"), rt_spill_1 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct rt_overflow_key);
	__type(value, struct rt_overflow_value);
} rt_overflow SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} rt_wake SEC(".maps");

/* The reader's barrier: updating an array of maps waits for the programs that run. Its one slot takes any array of a u32. */
struct rt_barrier_inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} rt_barrier_inner SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct rt_barrier_inner);
} rt_barrier SEC(".maps") = { .values = { &rt_barrier_inner } };

/* One addition to one flow. The key is the spill's, which every record can be made of. */
struct rt_flow_addition {
	struct rt_spill_key key;
	__u32 packets;
	__u32 stamp;
	__u64 bytes;
};

/* The words of a record that never change. Flags are key as well. */
struct rt_flow_words {
	__u64 key[2];
	__u64 address[4]; /* of a wide record only */
	__u16 flags;
};

/* What the rare paths are given: the stack is too small for it. */
struct rt_flow_scratch {
	struct rt_flow_words words;
	struct rt_flow_addition addition;
};

RT_SCRATCH(rt_flow_scratch, struct rt_flow_scratch);

RT_INLINE void rt_flow_count_total(enum rt_flow_total_id id, __u64 packets, __u64 bytes)
{
	struct rt_flow_total *total = rt_at(&rt_flow_totals, id);
	if (total) {
		total->packets += packets;
		total->bytes += bytes;
	}
}

static __noinline int rt_flow_overflow(const struct rt_flow_addition *addition)
{
	struct rt_overflow_key key = { .ifindex = addition->key.ifindex, .egress = addition->key.egress };
	struct rt_overflow_value *value = bpf_map_lookup_elem(&rt_overflow, &key);
	if (!value) {
		struct rt_overflow_value zero = {};
		bpf_map_update_elem(&rt_overflow, &key, &zero, BPF_NOEXIST);
		value = bpf_map_lookup_elem(&rt_overflow, &key);
	}
	if (value) {
		value->packets += addition->packets;
		value->bytes += addition->bytes;
	} else {
		rt_flow_count_total(RT_TOTAL_OVERFLOW, addition->packets, addition->bytes);
	}
	return 0;
}

/* Adds where every CPU may add at once. */
static __noinline int rt_flow_spill(const struct rt_flow_addition *addition)
{
	struct rt_flow_control *control = rt_at(&rt_control, 0);
	struct rt_spill_value *value;
	struct rt_ring_cpu *line;
	void *half;

	if (!control)
		return 0;
	half = (RT_READ_ONCE(control->spill_generation) & 1) ? (void *)&rt_spill_1 : (void *)&rt_spill_0;
	value = bpf_map_lookup_elem(half, &addition->key);
	if (!value) {
		struct rt_spill_value zero = { .first = addition->stamp };
		bpf_map_update_elem(half, &addition->key, &zero, BPF_NOEXIST);
		value = bpf_map_lookup_elem(half, &addition->key);
		if (!value)
			return rt_flow_overflow(addition);
	}
	__sync_fetch_and_add(&value->packets, addition->packets);
	__sync_fetch_and_add(&value->bytes, addition->bytes);
	value->last = addition->stamp;
	/* the reader drains the spill only when one of these moved; a CPU without a line of its own uses the first */
	line = rt_at(&rt_ring_cpu, bpf_get_smp_processor_id());
	if (!line)
		line = rt_at(&rt_ring_cpu, 0);
	if (line)
		__sync_fetch_and_add(&line->head.spilled, addition->packets);
	return 0;
}

/* Wakes the reader as a region passes half: a record of two units can jump over one position, never over both. */
RT_INLINE void rt_flow_wake(__u32 used, __u32 mask, __u32 cpu)
{
	if (RT_UNLIKELY((used | 1) == mask >> 1))
		bpf_ringbuf_output(&rt_wake, &cpu, sizeof(cpu), BPF_RB_FORCE_WAKEUP);
}

#endif
