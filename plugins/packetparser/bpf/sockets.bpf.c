/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * What the kernel's TCP knows of a connection and no packet shows: its smoothed round-trip time and its retransmits, by
 * addresses and ports as its socket has them, from every network namespace.
 */
#include <retina/kernel.h>
#include <retina/stream.h>

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define TCP_ESTABLISHED 1

struct socket_key {
	union rt_ip local;
	union rt_ip remote;
	rt_port local_port;
	rt_port remote_port;
	rt_protocol protocol;
	__u8 pad[3];
};

struct socket_value {
	rt_count retransmits;
	rt_micros rtt; /* smoothed, as it was last */
	__u32 pad;
};

RT_TABLE(sockets, struct socket_key, struct socket_value, 8192);

/* The part of TCP's control block in a socket buffer that is read here. */
struct tcp_skb_cb {
	__u16 tcp_gso_segs;
} __attribute__((preserve_access_index));

RT_INLINE struct socket_value *socket_entry(struct sock *sk)
{
	struct socket_key key = { .protocol = IPPROTO_TCP };
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	if (family == AF_INET) {
		rt_ip_from_v4(&key.local, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
		rt_ip_from_v4(&key.remote, BPF_CORE_READ(sk, __sk_common.skc_daddr));
	} else if (family == AF_INET6) {
		BPF_CORE_READ_INTO(&key.local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&key.remote, sk, __sk_common.skc_v6_daddr);
	} else {
		return NULL;
	}
	/* the number is gone by the time a socket closes, the port in its headers is not */
	key.local_port = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	key.remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	return RT_ENTRY(sockets, &key);
}

RT_INLINE void socket_rtt(struct sock *sk, struct socket_value *value)
{
	__u32 smoothed = BPF_CORE_READ((struct tcp_sock *)sk, srtt_us) >> 3;
	if (smoothed)
		value->rtt = smoothed;
}

RT_INLINE int socket_retransmit(struct sock *sk, struct sk_buff *skb)
{
	struct socket_value *value = socket_entry(sk);
	__u16 segments = 0;
	if (!value)
		return 0;
	if (bpf_core_field_exists(((struct tcp_skb_cb *)0)->tcp_gso_segs)) {
		struct tcp_skb_cb *control = (void *)skb + bpf_core_field_offset(struct sk_buff, cb);
		bpf_core_read(&segments, sizeof(segments), &control->tcp_gso_segs);
	}
	__sync_fetch_and_add(&value->retransmits, segments ? segments : 1);
	socket_rtt(sk, value);
	return 0;
}

/* Up to Linux 6.16 it fires for what was sent only. */
SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(retransmit, struct sock *sk, struct sk_buff *skb)
{
	return socket_retransmit(sk, skb);
}

/* From 6.17 on it fires for every attempt, and says how it ended. */
SEC("tp_btf/tcp_retransmit_skb")
int BPF_PROG(retransmit_attempt, struct sock *sk, struct sk_buff *skb, int error)
{
	return error ? 0 : socket_retransmit(sk, skb);
}

/* When a connection is made, and when it leaves the state in which it carries data. */
SEC("tp_btf/inet_sock_set_state")
int BPF_PROG(state, struct sock *sk, int before, int after)
{
	struct socket_value *value;
	if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP || (before != TCP_ESTABLISHED && after != TCP_ESTABLISHED))
		return 0;
	value = socket_entry(sk);
	if (value)
		socket_rtt(sk, value);
	return 0;
}

char _license[] SEC("license") = "Dual MIT/GPL";
