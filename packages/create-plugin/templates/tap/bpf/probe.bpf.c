/* SPDX-License-Identifier: MIT */
/* Counts TCP resets by interface and direction. */
#include <retina/stream.h>
#include <retina/tap.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct reset_key {
	rt_ifindex ifindex;
	__u32 egress;
};

struct reset_value {
	rt_count resets;
};

/* Counts by key, handed over every interval; what a full table cannot hold is counted as lost. */
RT_TABLE(resets, struct reset_key, struct reset_value, 1024);

/* Called with every packet, parsed already. It may not change or drop one, and cannot. */
RT_INLINE void on_packet(struct __sk_buff *skb, const struct rt_packet *packet, const __u32 egress)
{
	struct reset_key key = { .ifindex = packet->ifindex, .egress = egress };
	struct reset_value *value;

	if (!(packet->flags & RT_TCP_RST))
		return;
	value = RT_ENTRY(resets, &key);
	if (value)
		__sync_fetch_and_add(&value->resets, 1);
}

RT_TAP(probe, on_packet)
