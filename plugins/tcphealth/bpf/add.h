/* SPDX-License-Identifier: MIT */
/* Counting and measuring. */
#ifndef TCPHEALTH_ADD_H
#define TCPHEALTH_ADD_H

#include <retina/compat.h>

#include "records.h"

#define HEALTH_UNKNOWN (~0ull)

/* Bounds in use besides the bucket of what is above them, by measure. */
#define HEALTH_RTT_BOUNDS 39      /* 2^-16 to 2^3 s */
#define HEALTH_SETUP_BOUNDS 47    /* 2^-16 to 2^7 s */
#define HEALTH_DURATION_BOUNDS 28 /* 2^-10 to 2^17 s */

/* The smallest n for which value <= 2^n. */
RT_INLINE __u32 health_log2_up(__u64 value)
{
	__u32 log = 0;

	if (value <= 1)
		return 0;
	value--;
	if (value >> 32) {
		value >>= 32;
		log += 32;
	}
	if (value >> 16) {
		value >>= 16;
		log += 16;
	}
	if (value >> 8) {
		value >>= 8;
		log += 8;
	}
	if (value >> 4) {
		value >>= 4;
		log += 4;
	}
	if (value >> 2) {
		value >>= 2;
		log += 2;
	}
	return log + 1 + (value >> 1);
}

/*
 * Bucket of a time. It is counted in 2^-24 seconds, so that bounds are powers of two; squared, so are those between. A global
 * function is verified once, not for every way that leads to it.
 */
__attribute__((noinline)) __u32 health_bucket(__u32 what, __u64 micros)
{
	__u64 time = ((micros < 1ull << 39 ? micros : 1ull << 39) << 24) / 1000000;
	__u32 bounds, log;

	if (what == HEALTH_DURATION) {
		log = health_log2_up(time);
		log = log > 14 ? log - 14 : 0;
		return log < HEALTH_DURATION_BOUNDS ? log : HEALTH_DURATION_BOUNDS;
	}
	if (time > 0xffffffffull)
		time = 0xffffffffull;
	bounds = what == HEALTH_SETUP ? HEALTH_SETUP_BOUNDS : HEALTH_RTT_BOUNDS;
	log = health_log2_up(time * time);
	log = log > 16 ? log - 16 : 0;
	return log < bounds ? log : bounds;
}

RT_INLINE void health_lose(__u8 what)
{
	rt_count *count = rt_at(&health_unattributed, what);
	if (count)
		__sync_fetch_and_add(count, 1);
}

/* One measurement, or HEALTH_UNKNOWN: an event of that kind whose value nobody knows. Unspecifies key->remote if it must. */
static __attribute__((noinline)) int health_measure(struct health_key *key, __u8 what, __u64 micros)
{
	struct health_measure *measure;
	__u32 bucket;

	if (!key)
		return 0;
	key->what = what;
	measure = RT_ENTRY(health_measures, key);
	if (!measure) {
		__builtin_memset(&key->remote, 0, sizeof(key->remote));
		measure = RT_ENTRY(health_folded, key);
	}
	if (!measure) {
		health_lose(what);
		return 0;
	}
	__sync_fetch_and_add(&measure->events, 1);
	if (micros == HEALTH_UNKNOWN)
		return 0;
	bucket = health_bucket(what, micros);
	RT_HIDE(bucket);
	if (bucket >= HEALTH_BUCKETS)
		return 0;
	__sync_fetch_and_add(&measure->measured, 1);
	__sync_fetch_and_add(&measure->micros, micros);
	__sync_fetch_and_add(&measure->buckets.count[bucket], 1);
	return 0;
}

static __attribute__((noinline)) int health_event(struct health_key *key, __u8 what, __u16 error)
{
	struct health_count *count;
	struct health_measure *folded;

	if (!key)
		return 0;
	key->what = what;
	key->error = error;
	count = RT_ENTRY(health_events, key);
	if (count) {
		__sync_fetch_and_add(&count->events, 1);
		return 0;
	}
	__builtin_memset(&key->remote, 0, sizeof(key->remote));
	folded = RT_ENTRY(health_folded, key);
	if (folded)
		__sync_fetch_and_add(&folded->events, 1);
	else
		health_lose(what);
	return 0;
}

#endif
