/* SPDX-License-Identifier: MIT */
/* Counts the first packet of TCP connections by interface, direction and both ends. */
#include <retina/stream.h>
#include <retina/tap.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct syn_key {
	rt_addr source;
	rt_addr destination;
	rt_ifindex ifindex;
	__u32 egress; /* of the interface: towards the pod */
};

struct syn_value {
	rt_count syns;
};

RT_TABLE(syns, struct syn_key, struct syn_value, 4096);

RT_INLINE void count_syn(struct __sk_buff *skb, const struct rt_packet *packet, const __u32 egress)
{
	struct syn_key key = { .ifindex = packet->ifindex, .egress = egress };
	struct syn_value *value;

	if ((packet->flags & (RT_TCP_SYN | RT_TCP_ACK)) != RT_TCP_SYN)
		return;
	__builtin_memcpy(key.source, packet->saddr.bytes, sizeof(key.source));
	__builtin_memcpy(key.destination, packet->daddr.bytes, sizeof(key.destination));
	value = RT_ENTRY(syns, &key);
	if (value)
		__sync_fetch_and_add(&value->syns, 1);
}

RT_TAP(syns, count_syn)
