/* SPDX-License-Identifier: MIT */
/* The verifier refuses `outside`: it reads a packet without a check. `fine` loads. */
#include "retina/types.h"

SEC("tc")
int outside(struct __sk_buff *skb)
{
	return *(volatile __u8 *)(long)skb->data;
}

SEC("tc")
int fine(struct __sk_buff *skb)
{
	return -1;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
