/* SPDX-License-Identifier: MIT */
/* Counts the first packet of TCP connections, by interface and direction. */
#include <retina/stream.h>
#include <retina/tap.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct syn_key {
	rt_ifindex ifindex;
	__u32 egress;
};

struct syn_value {
	rt_count syns;
};

RT_TABLE(syns, struct syn_key, struct syn_value, 1024);

RT_INLINE void minimal_count(struct __sk_buff *skb, const struct rt_packet *packet, const __u32 egress)
{
	struct syn_key key = { .ifindex = packet->ifindex, .egress = egress };
	struct syn_value *value;

	if ((packet->flags & (RT_TCP_SYN | RT_TCP_ACK)) != RT_TCP_SYN)
		return;
	value = RT_ENTRY(syns, &key);
	if (value)
		__sync_fetch_and_add(&value->syns, 1);
}

RT_TAP(minimal, minimal_count)
