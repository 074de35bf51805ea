/* SPDX-License-Identifier: MIT */
/* What a program on a hook costs before it does anything: the zero of every other figure. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("tc")
int empty(struct __sk_buff *skb)
{
	(void)skb;
	return -1; /* TC_ACT_UNSPEC: the chain goes on */
}

char LICENSE[] SEC("license") = "MIT";
