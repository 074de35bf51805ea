/* SPDX-License-Identifier: MIT */
/*
 * How records reach user space.
 *
 * RT_STREAM: events, one by one, as they happen. A ring buffer NAME and a per-CPU counter NAME_lost.
 *
 *   struct reset { rt_ktime at; rt_netns netns; __u32 pad; };
 *   RT_STREAM(resets, struct reset, 64 * 1024);
 *   struct reset *event = RT_RESERVE(resets);     // NULL: full, and counted
 *   if (event) { event->at = …; RT_SUBMIT(resets, event); }
 *
 * A stream that is never silent is read by time instead (`stream(…, { everyMs })`) and submitted with RT_SUBMIT_QUIETLY: a
 * wake-up of the reader costs more than the record. Make the ring large enough for what comes in that time; once it is half
 * full, each further record wakes the reader, and what finds no room is counted as ever.
 *
 * RT_TABLE: counts by key, handed over every interval as what was added since. Two hashes NAME_0 and NAME_1; user space
 * flips NAME_control's generation, waits for running programs and drains the idle one. NAME_lost counts what found no room.
 *
 *   RT_TABLE(drops, struct drop_key, struct drop_value, 4096);
 *   struct drop_value *drop = RT_ENTRY(drops, &key);   // found or made; NULL: full, and counted as one lost event
 *   if (drop) { __sync_fetch_and_add(&drop->packets, 1); … } else { RT_LOST_BYTES(drops, skb_len); }
 *
 * Several CPUs share an entry: add atomically. Records, keys and values are multiples of 8 bytes, and keys have no padding
 * the compiler would leave unset: zero them first.
 */
#ifndef RETINA_STREAM_H
#define RETINA_STREAM_H

#include "config.h"
#include "maps.h"

/* The value of a table's NAME_lost. A stream's has the first number only. */
struct rt_lost {
	rt_count events;
	rt_bytes bytes;
};

struct rt_table_control {
	__u32 generation;
	__u32 pad;
};

/* The pointer is never used: it makes the compiler keep the record's type in BTF. libbpf skips its section. */
#define RT_STREAM(name, record, bytes) \
	_Static_assert(sizeof(record) % 8 == 0, #name ": the record is no multiple of 8 bytes"); \
	struct { \
		__uint(type, BPF_MAP_TYPE_RINGBUF); \
		__uint(max_entries, bytes); \
	} name SEC(".maps"); \
	RT_COUNTERS(name##_lost, rt_count, 1); \
	record *name##_record SEC("retina_records")

/* Room for one record of the stream, not zeroed, or NULL when the ring is full. */
#define RT_RESERVE(name) \
	({ \
		typeof(name##_record) rt_room = bpf_ringbuf_reserve(&name, sizeof(*name##_record), 0); \
		if (!rt_room) { \
			rt_count *rt_missed = rt_at(&name##_lost, 0); \
			if (rt_missed) \
				(*rt_missed)++; \
		} \
		rt_room; \
	})

/* Hands a reserved record over; the reader wakes when the ring was empty. */
#define RT_SUBMIT(name, record) bpf_ringbuf_submit(record, 0)
/*
 * Hands a reserved record over and wakes nobody, unless the ring is half full: half of what RT_STREAM says, so a ring that
 * is made smaller at load should be read more often. Asking costs 8 ns, waking a reader that had read everything 110.
 */
#define RT_SUBMIT_QUIETLY(name, record) \
	bpf_ringbuf_submit(record, bpf_ringbuf_query(&name, BPF_RB_AVAIL_DATA) > sizeof(*name.max_entries) / sizeof(int) / 2 \
				       ? BPF_RB_FORCE_WAKEUP \
				       : BPF_RB_NO_WAKEUP)
/* Gives a reserved record up. */
#define RT_DISCARD(name, record) bpf_ringbuf_discard(record, 0)

RT_INLINE void rt_count_lost(void *lost_map, __u64 events, __u64 bytes)
{
	struct rt_lost *lost = rt_at(lost_map, 0);
	if (lost) {
		lost->events += events;
		lost->bytes += bytes;
	}
}

/* Which half of a table programs write to now. */
RT_INLINE __u32 rt_generation(void *control_map)
{
	struct rt_table_control *control = rt_at(control_map, 0);
	return control ? *(volatile __u32 *)&control->generation & 1 : 0;
}

#define RT_TABLE_HALF(name, key_type, value_type, entries) \
	struct { \
		__uint(type, BPF_MAP_TYPE_HASH); \
		__uint(max_entries, entries); \
		__type(key, key_type); \
		__type(value, value_type); \
	} name SEC(".maps")

#define RT_TABLE(name, key_type, value_type, entries) \
	_Static_assert(sizeof(key_type) % 8 == 0, #name ": the key is no multiple of 8 bytes"); \
	_Static_assert(sizeof(value_type) % 8 == 0, #name ": the value is no multiple of 8 bytes"); \
	RT_TABLE_HALF(name##_0, key_type, value_type, entries); \
	RT_TABLE_HALF(name##_1, key_type, value_type, entries); \
	RT_COUNTERS(name##_lost, struct rt_lost, 1); \
	RT_INLINE value_type *name##_entry(const key_type *key); \
	RT_SHARED(name##_control, struct rt_table_control, 1); \
	RT_INLINE value_type *name##_entry(const key_type *key) \
	{ \
		value_type zero; \
		value_type *entry; \
		/* read once: a flip in between must not split one update over both halves */ \
		void *half = rt_generation(&name##_control) ? (void *)&name##_1 : (void *)&name##_0; \
		entry = bpf_map_lookup_elem(half, key); \
		if (entry) \
			return entry; \
		__builtin_memset(&zero, 0, sizeof(zero)); \
		bpf_map_update_elem(half, key, &zero, BPF_NOEXIST); /* another CPU may have been first: look again */ \
		entry = bpf_map_lookup_elem(half, key); \
		if (!entry) \
			rt_count_lost(&name##_lost, 1, 0); \
		return entry; \
	} \
	struct rt_lost /* the declaration that takes the user's semicolon */

#define RT_ENTRY(name, key) name##_entry(key)
/* Adds to the bytes of the events that RT_ENTRY counted as lost. */
#define RT_LOST_BYTES(name, bytes) rt_count_lost(&name##_lost, 0, bytes)

#endif
