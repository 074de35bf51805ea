/* SPDX-License-Identifier: MIT */
/* Taps that count packets, a chain of two, and constants of every size. */
#include "retina/types.h"
#include "retina/config.h"
#include "retina/maps.h"

RT_CONFIG(__u64, step, "Added per packet") = 1;
RT_CONFIG(__u8, enabled, "Counts at all") = 1;
RT_CONFIG(__s32, offset, "May be negative") = -5;

RT_COUNTERS(packets, __u64, 4);
RT_COUNTERS(seen, __u64, 2);

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, __u32);
} chain SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u64);
} small SEC(".maps");

static __always_inline void count(void *map, __u32 slot)
{
	__u64 *value = bpf_map_lookup_elem(map, &slot);
	if (value && enabled)
		*value += step;
}

SEC("tc")
int first(struct __sk_buff *skb)
{
	count(&packets, 0);
	bpf_tail_call(skb, &chain, 0);
	return -1;
}

SEC("tc")
int second(struct __sk_buff *skb)
{
	count(&packets, 1);
	return offset;
}

SEC("tc")
int other(struct __sk_buff *skb)
{
	count(&packets, 2);
	return -1;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
