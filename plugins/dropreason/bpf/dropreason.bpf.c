/* SPDX-License-Identifier: MIT */
/*
 * Counts what the kernel drops: by reason and place exactly, by flow as far as the table goes. One of the programs on
 * kfree_skb is loaded: the one whose arguments the running kernel's tracepoint has.
 */
#include <retina/node.h>

#include "chain.h"
#include "context.h"
#include "sample.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

RT_CONFIG(__u32, only_netns, "Inode number of the only network namespace to count in; 0: the host decides") = 0;
RT_CONFIG(__u32, own_netns, "Inode number of the agent's own network namespace") = 0;

#define TCP_SYN_SENT 2
#define TCP_CLOSE 7

/* SKB_DROP_REASON_NOT_SPECIFIED before the enum existed: user space goes by the place. */
#define REASON_UNTOLD 0

RT_INLINE bool drop_is_ours(rt_netns netns)
{
	return only_netns ? netns == only_netns : rt_on_this_node(netns);
}

RT_INLINE bool drop_is_quiet(rt_reason reason)
{
	__u64 *quiet = rt_at(&drop_quiet, reason);
	return quiet && *quiet;
}

RT_INLINE void drop_add(struct drop_value *sum, const struct drop_value *value)
{
	__sync_fetch_and_add(&sum->packets, value->packets);
	if (value->bytes) /* of a constant 0 the compiler makes an atomic OR, which 5.10 does not know */
		__sync_fetch_and_add(&sum->bytes, value->bytes);
}

RT_INLINE void drop_add_unattributed(__u32 which, const struct drop_value *value)
{
	struct drop_value *sum = rt_at(&drop_unattributed, which);
	if (sum)
		drop_add(sum, value);
}

/* Kernels before 5.13 cannot name a place from here; user space reads /proc/kallsyms there. */
RT_INLINE void drop_name_location(__u64 location)
{
	static const char format[] = "%ps";
	struct drop_symbol symbol = {};
	__u64 address = location | ~DROP_LOCATION_MASK;

	if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_snprintf))
		return;
	if (!location || bpf_map_lookup_elem(&drop_symbols, &location))
		return;
	bpf_snprintf(symbol.name, sizeof(symbol.name), format, &address, sizeof(address));
	bpf_map_update_elem(&drop_symbols, &location, &symbol, BPF_NOEXIST);
}

RT_INLINE void drop_count(const struct drop_flow_key *flow, const struct drop_value *value)
{
	struct drop_total_key key = {
		.location = flow->location,
		.reason = flow->reason,
		.direction = flow->direction,
		.marks = flow->marks,
	};
	struct drop_value *total, *entry;

	total = RT_ENTRY(drop_totals, &key);
	if (total) {
		if (!total->packets) /* new since the last drain: rare enough to look whether the place has its name */
			drop_name_location(flow->location);
		drop_add(total, value);
	} else {
		drop_add_unattributed(DROP_NO_TOTAL, value);
	}

	entry = RT_ENTRY(drop_flows, flow);
	if (entry)
		drop_add(entry, value);
	else
		drop_add_unattributed(DROP_NO_FLOW, value);
}

RT_INLINE int drop_packet(struct sk_buff *skb, void *location, rt_reason reason, struct sock *receiver, const bool typed)
{
	struct drop_flow_key key = {};
	struct drop_headers headers;
	struct drop_value value;

	if (drop_is_quiet(reason))
		return 0;
	key.chain = drop_chain_of(skb, reason);
	key.reason = reason;
	key.location = (__u64)location & DROP_LOCATION_MASK;
	if (!drop_read_context(skb, receiver, typed, &key))
		return 0;
	if (!drop_is_ours(key.netns))
		return 0;
	if (key.netns == own_netns)
		key.marks |= DROP_OWN;
	drop_read_packet(skb, typed, &key, &value, &headers);
	/* first: the less lives on while drop_count is verified, the fewer ways there are to it */
	drop_take_sample(&key, &value, &headers);
	drop_count(&key, &value);
	return 0;
}

/* 5.10 to 5.16 */
SEC("tp_btf/kfree_skb")
int BPF_PROG(drop_bare, struct sk_buff *skb, void *location)
{
	return drop_packet(skb, location, REASON_UNTOLD, NULL, true);
}

/* 5.17 to 6.10 */
SEC("tp_btf/kfree_skb")
int BPF_PROG(drop_reason, struct sk_buff *skb, void *location, __u32 reason)
{
	return drop_packet(skb, location, reason, NULL, true);
}

/* 6.11 and later */
SEC("tp_btf/kfree_skb")
int BPF_PROG(drop_socket, struct sk_buff *skb, void *location, __u32 reason, struct sock *receiver)
{
	return drop_packet(skb, location, reason, receiver, true);
}

SEC("raw_tp/kfree_skb")
int BPF_PROG(raw_drop_bare, struct sk_buff *skb, void *location)
{
	return drop_packet(skb, location, REASON_UNTOLD, NULL, false);
}

SEC("raw_tp/kfree_skb")
int BPF_PROG(raw_drop_reason, struct sk_buff *skb, void *location, __u32 reason)
{
	return drop_packet(skb, location, reason, NULL, false);
}

SEC("raw_tp/kfree_skb")
int BPF_PROG(raw_drop_socket, struct sk_buff *skb, void *location, __u32 reason, struct sock *receiver)
{
	return drop_packet(skb, location, reason, receiver, false);
}

/*
 * Whether a connect failed that its own program ends. An ICMP error that arrives while the connect call still holds the
 * socket (from this host or a neighbour on it: a REJECT rule, a service without endpoints) does not end it: it is left for
 * the program to find, which then gives up.
 */
RT_INLINE bool drop_connect_was_told(struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_err) || BPF_CORE_READ(sk, sk_err_soft) || BPF_CORE_READ(sk, sk_error_queue.qlen);
}

/*
 * A connect that came to nothing: refused, timed out, unreachable, or given up after the SYN had to be repeated. One
 * that its own program gave up before (the slower of two address families, say) has lost nothing.
 */
RT_INLINE int drop_connect(struct sock *sk, int from, int to)
{
	struct drop_value value = { .packets = 1 };
	struct drop_flow_key key = {};
	struct tcp_sock *tcp = (void *)sk;
	struct inet_sock *inet = (void *)sk;

	if (from != TCP_SYN_SENT || to != TCP_CLOSE)
		return 0;
	if (!drop_connect_was_told(sk) && BPF_CORE_READ(tcp, packets_out) && !BPF_CORE_READ(tcp, total_retrans))
		return 0;
	key.netns = drop_netns(BPF_CORE_READ(sk, __sk_common.skc_net.net));
	if (!drop_is_ours(key.netns))
		return 0;
	key.reason = DROP_CONNECT_FAILED;
	key.direction = DROP_EGRESS;
	key.protocol = PROTO_TCP;
	key.sport = bpf_ntohs(BPF_CORE_READ(inet, inet_sport)); /* skc_num is given back already */
	key.dport = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET) {
		key.family = 4;
		rt_ip_from_v4((union rt_ip *)key.saddr, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
		rt_ip_from_v4((union rt_ip *)key.daddr, BPF_CORE_READ(sk, __sk_common.skc_daddr));
	} else {
		bpf_core_read(key.saddr, sizeof(key.saddr), &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_core_read(key.daddr, sizeof(key.daddr), &sk->__sk_common.skc_v6_daddr);
		/* an IPv6 socket may speak IPv4 */
		key.family = ((union rt_ip *)key.daddr)->pair[0] || ((union rt_ip *)key.daddr)->word[2] != RT_MAPPED_WORD ? 6 : 4;
	}
	drop_count(&key, &value);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(connect, struct sock *sk, int from, int to)
{
	return drop_connect(sk, from, to);
}

SEC("raw_tp/inet_sock_set_state")
int BPF_PROG(raw_connect, struct sock *sk, int from, int to)
{
	return drop_connect(sk, from, to);
}
