/* SPDX-License-Identifier: MIT */
/* Counts what crosses the node's uplinks, each packet once, as it is on the wire. */
#include <retina/tap.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct forward_total {
	rt_packets packets;
	rt_bytes bytes;
};

/* Element 0: ingress, 1: egress. */
RT_COUNTERS(forward_totals, struct forward_total, 2);

RT_INLINE void packetforward_count(struct __sk_buff *skb, const struct rt_packet *packet, const __u32 egress)
{
	struct forward_total *total;

	if (!rt_is_uplink(packet->ifindex))
		return;
	total = rt_at(&forward_totals, egress);
	if (!total)
		return;
	total->packets += packet->segments;
	total->bytes += packet->wire_bytes;
}

RT_TAP(packetforward, packetforward_count)
