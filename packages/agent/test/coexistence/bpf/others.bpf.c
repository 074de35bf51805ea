/* SPDX-License-Identifier: MIT */
/* Programs of somebody else on our hooks: they count, let pass, accept or drop. */
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/udp.h>

#include <retina/maps.h>

#define DROPPED_PORT 9100

RT_COUNTERS(seen, rt_count, 1);

RT_INLINE void count_one(void)
{
	rt_count *count = rt_at(&seen, 0);
	if (count)
		(*count)++;
}

/* A plain IPv4 datagram to DROPPED_PORT. */
RT_INLINE bool unwanted(void *data, void *end)
{
	struct ethhdr *ethernet = data;
	struct iphdr *ip = (void *)(ethernet + 1);
	struct udphdr *udp = (void *)(ip + 1);
	return (void *)(udp + 1) <= end && ethernet->h_proto == bpf_htons(ETH_P_IP) && ip->ihl == 5 && ip->protocol == 17 &&
	       udp->dest == bpf_htons(DROPPED_PORT);
}

SEC("tc")
int passes_on(struct __sk_buff *skb)
{
	count_one();
	return -1; /* TCX_NEXT */
}

SEC("tc")
int accepts(struct __sk_buff *skb)
{
	count_one();
	return TC_ACT_OK; /* TCX_PASS: nobody behind is asked */
}

SEC("tc")
int drops(struct __sk_buff *skb)
{
	if (!unwanted((void *)(long)skb->data, (void *)(long)skb->data_end))
		return -1;
	count_one();
	return TC_ACT_SHOT;
}

SEC("xdp")
int xdp_drops(struct xdp_md *context)
{
	if (!unwanted((void *)(long)context->data, (void *)(long)context->data_end))
		return XDP_PASS;
	count_one();
	return XDP_DROP;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
