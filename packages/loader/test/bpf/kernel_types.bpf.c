/* SPDX-License-Identifier: MIT */
/* Needs the kernel's type information: a traced argument read by field name. */
#include "retina/kernel.h"
#include "retina/maps.h"

RT_COUNTERS(freed, __u64, 1);

SEC("tp_btf/kfree_skb")
int BPF_PROG(on_free, struct sk_buff *skb)
{
	__u64 *count = rt_at(&freed, 0);

	if (count && BPF_CORE_READ(skb, len) > 0)
		(*count)++;
	return 0;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
