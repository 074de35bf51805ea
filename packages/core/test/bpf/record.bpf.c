/* SPDX-License-Identifier: MIT */
/* One record of eight bytes per run. */
#include <retina/stream.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct record {
	__u64 number;
};

RT_STREAM(records, struct record, 4096);

SEC("tc")
int run(struct __sk_buff *skb)
{
	struct record *record = RT_RESERVE(records);

	if (record) {
		record->number = skb->len;
		RT_SUBMIT(records, record);
	}
	return 0;
}
