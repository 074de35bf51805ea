/* SPDX-License-Identifier: MIT */
/* One run: `burst` records into a stream and as many additions to a table. Driven by test runs, so that the sums are
 * known. */
#include "retina/config.h"
#include "retina/stream.h"

RT_CONFIG(__u32, burst, "Records per run") = 1;
RT_CONFIG(bool, quiet, "Wake the reader only when the ring is half full") = false;
RT_CONFIG(__u32, keys, "Keys the additions go round in") = 100;

struct event {
	__u64 number;
	__u32 key;
	__u32 mark;
	__u8 bytes[8];
};
RT_STREAM(events, struct event, 64 * 1024);

struct total_key {
	__u32 key;
	__u32 zero;
};
struct total_value {
	__u64 count;
	__u64 sum;
};
RT_TABLE(totals, struct total_key, struct total_value, 4096);

RT_SHARED(runs, __u64, 1); /* one for all CPUs: only one test run is under way at a time */

SEC("tc")
int run(struct __sk_buff *skb)
{
	__u32 zero = 0;
	__u64 *count = bpf_map_lookup_elem(&runs, &zero);

	if (!count)
		return -1;
	for (__u32 i = 0; i < 64; i++) {
		if (i >= burst)
			break;
		__u64 number = (*count)++;
		struct event *event = RT_RESERVE(events);
		if (event) {
			event->number = number;
			event->key = number % keys;
			event->mark = 0xfeed;
			__builtin_memset(event->bytes, (__u8)number, 8);
			if (quiet)
				RT_SUBMIT_QUIETLY(events, event);
			else
				RT_SUBMIT(events, event);
		}
		struct total_key key = { .key = number % keys };
		struct total_value *total = RT_ENTRY(totals, &key);
		if (total) {
			__sync_fetch_and_add(&total->count, 1);
			__sync_fetch_and_add(&total->sum, number);
		}
	}
	return -1;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
