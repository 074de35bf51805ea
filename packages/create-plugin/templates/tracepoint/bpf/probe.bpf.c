/* SPDX-License-Identifier: MIT */
/* Counts TCP connections that were established, by who began them. */
#include <retina/kernel.h>
#include <retina/node.h>
#include <retina/stream.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define ESTABLISHED 1
#define SYN_SENT 2

struct opened_key {
	__u32 client; /* 1: this side sent the SYN */
	__u32 pad;    /* keys are multiples of 8 bytes */
};

struct opened_value {
	rt_count connections;
};

/* Counts by key, handed over every interval; what a full table cannot hold is counted as lost. */
RT_TABLE(opened, struct opened_key, struct opened_value, 64);

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(on_state, struct sock *sk, int from, int to)
{
	struct opened_key key = {};
	struct opened_value *value;

	if (to != ESTABLISHED)
		return 0;
	/* The event is of the whole kernel: another node may share it. */
	if (!rt_on_this_node(sk->__sk_common.skc_net.net->ns.inum))
		return 0;
	key.client = from == SYN_SENT;
	value = RT_ENTRY(opened, &key);
	if (value)
		__sync_fetch_and_add(&value->connections, 1);
	return 0;
}
