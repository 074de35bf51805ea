/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * Counts the segments TCP sends again, by connection and by what made the kernel do it. A GSO packet counts as the segments it
 * is cut into, so that all of them together are what TcpRetransSegs of their network namespace grew by.
 *
 * A kind is read from the state TCP is in while it retransmits; it says nothing itself:
 *   - a tail-loss probe is sent while its timer is still the pending one (it is cleared afterwards), and sends a segment that is
 *     not marked lost. Recovery, begun by an acknowledgement that came before that timer, sends only what is marked.
 *   - the retransmission timer is cleared before its handler runs, and the handler declares everything lost first. What is
 *     sent later in that state has a timer pending.
 * Whether a retransmission was needed is known when the peer reports a duplicate (DSACK). No hook fires then: the socket's
 * count is looked at when its congestion state changes (from Linux 5.19 on), when it retransmits again, and when it ends.
 */
#include <retina/kernel.h>
#include <retina/node.h>

#include "records.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define AF_INET 2
#define AF_INET6 10
#define TCP_SYN_SENT 2
#define ICSK_TIME_LOSS_PROBE 5
#define TCP_CA_LOSS 4
#define TCPCB_LOST 0x04

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct inet_connection_sock___retrans {
	__u8 icsk_ca_state : 5;
	__u8 icsk_pending;
};

struct tcp_sock___retrans {
	__u32 dsack_dups;
};

/* TCP's control block in a socket buffer. */
struct tcp_skb_cb {
	__u16 tcp_gso_segs;
	__u8 sacked;
};

#pragma clang attribute pop

RT_INLINE void *retrans_control(struct sk_buff *skb)
{
	return (void *)skb + bpf_core_field_offset(struct sk_buff, cb);
}

RT_INLINE __u64 retrans_segments(struct sk_buff *skb)
{
	struct tcp_skb_cb *control = retrans_control(skb);
	__u16 segments = BPF_CORE_READ(control, tcp_gso_segs);
	return segments ? segments : 1;
}

/* Whose connection it is. `sk` may be a request, which has no port of its own but the common one. False if nobody's here. */
RT_INLINE bool retrans_key(struct sock *sk, const bool request, struct retrans_key *key)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	key->netns = BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
	if (!rt_on_this_node(key->netns))
		return false;
	if (family == AF_INET) {
		rt_ip_from_v4(&key->local, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
		rt_ip_from_v4(&key->remote, BPF_CORE_READ(sk, __sk_common.skc_daddr));
	} else if (family == AF_INET6) {
		BPF_CORE_READ_INTO(&key->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&key->remote, sk, __sk_common.skc_v6_daddr);
	} else {
		return false;
	}
	/* a full socket's number is gone when it closes, the port in its headers is not */
	key->local_port =
	    request ? BPF_CORE_READ(sk, __sk_common.skc_num) : bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	key->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	return true;
}

RT_INLINE void retrans_add(struct retrans_key *key, __u8 kind, __u64 segments)
{
	struct retrans_value *value;

	key->kind = kind;
	value = RT_ENTRY(retransmits, key);
	if (value) {
		__sync_fetch_and_add(&value->segments, segments);
	} else {
		rt_count *unattributed = rt_at(&retrans_unattributed, kind);
		if (unattributed)
			__sync_fetch_and_add(unattributed, segments);
	}
}

RT_INLINE void retrans_other(__u32 which)
{
	rt_count *count = rt_at(&retrans_others, which);
	if (count)
		__sync_fetch_and_add(count, 1);
}

RT_INLINE __u8 retrans_kind(struct sock *sk, struct sk_buff *skb)
{
	struct inet_connection_sock___retrans *connection = (void *)sk;
	struct tcp_skb_cb *control = retrans_control(skb);
	__u8 pending;

	if (BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_SYN_SENT)
		return RETRANS_SYN;
	pending = BPF_CORE_READ(connection, icsk_pending);
	if (pending == ICSK_TIME_LOSS_PROBE && !(BPF_CORE_READ(control, sacked) & TCPCB_LOST))
		return RETRANS_LOSS_PROBE;
	if (BPF_CORE_READ_BITFIELD_PROBED(connection, icsk_ca_state) != TCP_CA_LOSS)
		return RETRANS_FAST;
	return pending ? RETRANS_SLOW_START : RETRANS_TIMEOUT;
}

/* Counts the duplicates reported since the last look. `key` has everything but the kind. */
RT_INLINE void retrans_look(struct retrans_key *key, __u64 *counted, __u64 now)
{
	__u64 before = *counted;

	if (now == before)
		return;
	*counted = now;   /* the socket is locked: nobody else looks at it now */
	if (now > before) /* a socket that was disconnected and connected anew starts from zero */
		retrans_add(key, RETRANS_SPURIOUS, now - before);
}

RT_INLINE __u64 retrans_duplicates_of(struct sock *sk)
{
	return BPF_CORE_READ((struct tcp_sock___retrans *)sk, dsack_dups);
}

/* Begins to follow the duplicates of a socket at its first retransmission: they can only come later. */
RT_INLINE void retrans_follow(struct sock *sk, struct retrans_key *key)
{
	__u64 id = (__u64)sk, now = retrans_duplicates_of(sk);
	__u64 *counted = bpf_map_lookup_elem(&retrans_duplicates, &id);

	if (counted)
		retrans_look(key, counted, now);
	else if (bpf_map_update_elem(&retrans_duplicates, &id, &now, BPF_NOEXIST))
		retrans_other(RETRANS_NOT_FOLLOWED);
}

RT_INLINE int retrans_segment(struct sock *sk, struct sk_buff *skb, int error)
{
	struct retrans_key key = {};
	__u8 kind;

	if (!retrans_key(sk, false, &key))
		return 0;
	if (error) {
		retrans_other(RETRANS_NOT_SENT);
		return 0;
	}
	kind = retrans_kind(sk, skb);
	retrans_add(&key, kind, retrans_segments(skb));
	if (kind != RETRANS_SYN)
		retrans_follow(sk, &key);
	return 0;
}

RT_INLINE int retrans_answer(struct sock *request)
{
	struct retrans_key key = {};

	if (retrans_key(request, true, &key))
		retrans_add(&key, RETRANS_SYNACK, 1);
	return 0;
}

RT_INLINE int retrans_settle(struct sock *sk, const bool ends)
{
	__u64 id = (__u64)sk;
	__u64 *counted = bpf_map_lookup_elem(&retrans_duplicates, &id);
	__u64 now;

	if (!counted)
		return 0;
	now = retrans_duplicates_of(sk);
	if (now != *counted) {
		struct retrans_key key = {};
		if (retrans_key(sk, false, &key))
			retrans_look(&key, counted, now);
	}
	if (ends)
		bpf_map_delete_elem(&retrans_duplicates, &id);
	return 0;
}

/* Typed where the kernel allows it, else raw: one of the two is loaded. */
#define RETRANS_HOOK(tracepoint, name, work, ...) \
	SEC("tp_btf/" #tracepoint) \
	int BPF_PROG(name, __VA_ARGS__) \
	{ \
		return work; \
	} \
	SEC("raw_tp/" #tracepoint) \
	int BPF_PROG(raw_##name, __VA_ARGS__) \
	{ \
		return work; \
	}

/* Up to Linux 6.16 it fires for what was sent only. */
RETRANS_HOOK(tcp_retransmit_skb, retransmit, retrans_segment(sk, skb, 0), struct sock *sk, struct sk_buff *skb)
/* From 6.17 on it fires for every attempt, and says how it ended. */
RETRANS_HOOK(tcp_retransmit_skb, retransmit_attempt, retrans_segment(sk, skb, error), struct sock *sk, struct sk_buff *skb,
	     int error)
RETRANS_HOOK(tcp_retransmit_synack, synack, retrans_answer(request), struct sock *sk, struct sock *request)
RETRANS_HOOK(tcp_cong_state_set, recover, retrans_settle(sk, false), struct sock *sk)
RETRANS_HOOK(tcp_destroy_sock, destroy, retrans_settle(sk, true), struct sock *sk)
