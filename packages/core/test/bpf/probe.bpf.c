/* SPDX-License-Identifier: MIT */
/* Counts UDP packets to port 9999, and those of them at uplinks: a tap plugin of which a test can run several. */
#include <retina/tap.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

struct probe_total {
	rt_packets packets;
	rt_packets at_uplinks;
};

/* Element 0: ingress, 1: egress. */
RT_COUNTERS(probe_totals, struct probe_total, 2);

RT_INLINE void probe_count(struct __sk_buff *skb, const struct rt_packet *packet, const __u32 egress)
{
	struct probe_total *total = rt_at(&probe_totals, egress);

	if (!total || packet->protocol != 17 || packet->dport != bpf_htons(9999))
		return;
	total->packets++;
	if (rt_is_uplink(packet->ifindex))
		total->at_uplinks++;
}

RT_TAP(probe, probe_count)
