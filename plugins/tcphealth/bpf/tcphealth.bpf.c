/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/*
 * What TCP knows of its connections: how long the way is, how long it took to make them, how they failed and ended. All of
 * it is added up here, by both ends; user space reads sums.
 */
#include <retina/config.h>

#include "socket.h"
#include "add.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

RT_CONFIG(__u32, sample_fifths,
	  "A connection's round-trip time is looked at once in so many fifths of a second while data flows") = 5;
RT_CONFIG(__u32, annotate_flows, "Whether flow records are to say what is known of their connection") = 1;

#define EADDRNOTAVAIL 99
#define NANOS 1000

RT_INLINE __u64 health_rtt(struct tcp_sock___health *tcp)
{
	__u32 smoothed = BPF_CORE_READ(tcp, srtt_us);
	return smoothed ? smoothed >> 3 : HEALTH_UNKNOWN;
}

RT_INLINE __u64 health_min_rtt(struct tcp_sock___health *tcp)
{
	__u32 smallest = BPF_CORE_READ(tcp, rtt_min.s[0].v);
	return smallest != ~0u ? smallest : HEALTH_UNKNOWN;
}

RT_INLINE void health_annotate(const struct health_flow_key *flow, __u64 rtt, __u64 min_rtt, __u64 setup)
{
	struct health_flow *entry;

	if (!annotate_flows || (rtt == HEALTH_UNKNOWN && min_rtt == HEALTH_UNKNOWN && setup == HEALTH_UNKNOWN))
		return;
	entry = RT_ENTRY(health_flows, flow);
	if (!entry)
		return;
	/* 0 stands for unknown */
	if (rtt != HEALTH_UNKNOWN)
		entry->rtt = rtt ? rtt : 1;
	if (min_rtt != HEALTH_UNKNOWN)
		entry->min_rtt = min_rtt ? min_rtt : 1;
	if (setup != HEALTH_UNKNOWN)
		entry->setup = !setup ? 1 : setup < 0xffffffff ? setup : 0xffffffff;
}

/* The round-trip times as they are now. */
RT_INLINE int health_look(struct sock *sk, struct health_key *key, const struct health_flow_key *flow)
{
	struct tcp_sock___health *tcp = (void *)sk;
	__u64 rtt = health_rtt(tcp), min_rtt = health_min_rtt(tcp);

	if (rtt != HEALTH_UNKNOWN)
		health_measure(key, HEALTH_RTT, rtt);
	if (min_rtt != HEALTH_UNKNOWN)
		health_measure(key, HEALTH_MIN_RTT, min_rtt);
	health_annotate(flow, rtt, min_rtt, HEALTH_UNKNOWN);
	return 0;
}

RT_INLINE bool health_remember(struct sock *sk, __u8 role, __u8 phase, __u64 since)
{
	struct health_connection connection = { .since = since, .role = role, .phase = phase };
	__u64 id = (__u64)sk;

	return !bpf_map_update_elem(&health_connections, &id, &connection, BPF_ANY);
}

/* From SYN to established, at the end that opened. */
RT_INLINE __u64 health_setup_opened(struct tcp_sock___health *tcp, const struct health_connection *connection, __u64 now)
{
	if (connection)
		return (now - connection->since) / NANOS;
	/* The first round trip is the handshake's, if nothing was sent twice. */
	return BPF_CORE_READ(tcp, total_retrans) ? HEALTH_UNKNOWN : health_rtt(tcp);
}

/*
 * From SYN-ACK to established, at the end that accepted. Its socket is made when the handshake ends; the request before it
 * has measured the round trip, unless the SYN-ACK was sent twice. Then the time of the first was kept.
 */
RT_INLINE __u64 health_setup_accepted(struct tcp_sock___health *tcp, const struct health_flow_key *flow, rt_netns netns,
				      __u64 now)
{
	struct health_answer_key key = { .flow = *flow, .netns = netns };
	__u64 *first, setup;

	if (!BPF_CORE_READ(tcp, total_retrans))
		return health_rtt(tcp);
	first = bpf_map_lookup_elem(&health_answers, &key);
	if (!first)
		return HEALTH_UNKNOWN;
	setup = now / NANOS - *first;
	bpf_map_delete_elem(&health_answers, &key);
	return setup;
}

/*
 * Whether the end that opened the connection is on this node as well. It has just become established then: its time begins with
 * the SYN, so flow records are to have that one.
 */
RT_INLINE bool health_opener_told(const struct health_flow_key *flow)
{
	struct health_flow_key opener = {
		.local = flow->remote,
		.remote = flow->local,
		.local_port = flow->remote_port,
		.remote_port = flow->local_port,
	};
	struct health_flow *told;

	if (!annotate_flows)
		return false;
	if (rt_generation(&health_flows_control))
		told = bpf_map_lookup_elem(&health_flows_1, &opener);
	else
		told = bpf_map_lookup_elem(&health_flows_0, &opener);
	return told && told->setup;
}

RT_INLINE void health_established(struct sock *sk, const int from, struct health_flow_key *flow, rt_netns netns)
{
	struct tcp_sock___health *tcp = (void *)sk;
	struct health_connection *connection;
	struct health_key key = {};
	__u64 id = (__u64)sk, now = bpf_ktime_get_ns(), setup;
	__u8 role;

	connection = bpf_map_lookup_elem(&health_connections, &id);
	/* A socket is used again where another was: what is left of that one is none of this one's, which never connected. */
	role = from == TCP_SYN_SENT || (connection && connection->role == HEALTH_OPENED) ? HEALTH_OPENED : HEALTH_ACCEPTED;
	setup = role == HEALTH_OPENED ? health_setup_opened(tcp, connection, now) : health_setup_accepted(tcp, flow, netns, now);
	if (connection) {
		connection->since = now;
		connection->role = role;
		connection->phase = HEALTH_ESTABLISHED;
	} else if (!health_remember(sk, role, HEALTH_ESTABLISHED, now)) {
		rt_count *forgotten = rt_at(&health_forgotten, 0);
		if (forgotten)
			__sync_fetch_and_add(forgotten, 1);
	}
	health_key_of(flow, netns, role, &key);
	health_measure(&key, HEALTH_SETUP, setup);
	if (role == HEALTH_ACCEPTED && health_opener_told(flow))
		setup = HEALTH_UNKNOWN;
	health_annotate(flow, health_rtt(tcp), health_min_rtt(tcp), setup);
}

/* Why a connect came to nothing; 0 if it was given up before anything was lost. */
RT_INLINE __u16 health_why(struct sock *sk)
{
	struct tcp_sock___health *tcp = (void *)sk;
	int error = BPF_CORE_READ(sk, sk_err);

	if (!error) /* an ICMP error that came while the connect call held the socket */
		error = BPF_CORE_READ(sk, sk_err_soft);
	if (!error) /* which its program has been told of already */
		error = health_queued_error(sk);
	if (error > 0)
		return error < HEALTH_GIVEN_UP ? error : HEALTH_UNSENT;
	if (!BPF_CORE_READ((struct inet_sock *)sk, inet_sport)) /* no local port was found */
		return EADDRNOTAVAIL;
	if (!BPF_CORE_READ(tcp, packets_out))
		return HEALTH_UNSENT;
	return BPF_CORE_READ(tcp, total_retrans) ? HEALTH_GIVEN_UP : 0;
}

RT_INLINE void health_failed(struct sock *sk, struct health_flow_key *flow, rt_netns netns)
{
	struct health_key key = {};
	__u16 error = health_why(sk);

	health_key_of(flow, netns, HEALTH_OPENED, &key);
	health_event(&key, error ? HEALTH_FAILED : HEALTH_CANCELLED, error);
}

RT_INLINE void health_closed(struct sock *sk, struct health_connection *connection, struct health_flow_key *flow, rt_netns netns)
{
	struct health_key key = {};
	__u64 duration = HEALTH_UNKNOWN;

	health_key_of(flow, netns, connection ? connection->role : health_guess(flow), &key);
	if (connection && connection->phase == HEALTH_CONNECTING) /* the kernel left out that it was made */
		health_measure(&key, HEALTH_SETUP, HEALTH_UNKNOWN);
	else if (connection)
		duration = (bpf_ktime_get_ns() - connection->since) / NANOS;
	health_measure(&key, HEALTH_DURATION, duration);
	health_look(sk, &key, flow);
}

/* The end of a connection or of an attempt to make one, `from` a state of the socket. Counted once. */
RT_INLINE int health_ended(struct sock *sk, int from)
{
	struct health_connection *connection;
	struct health_flow_key flow = {};
	__u64 id = (__u64)sk;
	rt_netns netns = health_netns(sk);

	if (!health_ends(sk, false, &flow))
		return 0;
	connection = bpf_map_lookup_elem(&health_connections, &id);
	if (from == TCP_SYN_SENT || (from == TCP_SYN_RECV && connection))
		health_failed(sk, &flow, netns);
	else if (from != TCP_SYN_RECV)
		health_closed(sk, connection, &flow, netns);
	if (connection)
		connection->phase = HEALTH_ENDED;
	return 0;
}

RT_INLINE int health_state(struct sock *sk, int from, int to)
{
	struct health_flow_key flow = {};
	rt_netns netns;

	if (to != TCP_SYN_SENT && to != TCP_ESTABLISHED && to != TCP_CLOSE)
		return 0;
	if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	netns = health_netns(sk);
	if (!rt_on_this_node(netns))
		return 0;
	if (to == TCP_SYN_SENT)
		health_remember(sk, HEALTH_OPENED, HEALTH_CONNECTING, bpf_ktime_get_ns());
	else if (from == TCP_LISTEN || from == TCP_CLOSE || from == TCP_NEW_SYN_RECV)
		return 0;
	else if (to == TCP_CLOSE)
		health_ended(sk, from);
	else if ((from == TCP_SYN_SENT || from == TCP_SYN_RECV) && health_ends(sk, false, &flow))
		health_established(sk, from, &flow, netns);
	return 0;
}

/*
 * The socket goes. The kernel does not run a program within itself: of two connections that change their state at once on one
 * CPU, one in the midst of the other, it leaves out the inner one. An end it has left out is made up for here.
 */
RT_INLINE int health_forget(struct sock *sk)
{
	__u64 id = (__u64)sk;
	struct health_connection *connection = bpf_map_lookup_elem(&health_connections, &id);

	if (!connection)
		return 0;
	if (connection->phase != HEALTH_ENDED)
		health_ended(sk, connection->phase == HEALTH_CONNECTING ? TCP_SYN_SENT : TCP_ESTABLISHED);
	bpf_map_delete_elem(&health_connections, &id);
	return 0;
}

/* Who began it is remembered until the socket goes, which is after a reset. */
RT_INLINE int health_reset(struct sock *sk, __u8 by)
{
	struct health_connection *connection;
	struct health_flow_key flow = {};
	struct health_key key = {};
	__u64 id = (__u64)sk;
	rt_netns netns;

	netns = health_netns(sk);
	if (!rt_on_this_node(netns) || !health_ends(sk, false, &flow))
		return 0;
	connection = bpf_map_lookup_elem(&health_connections, &id);
	health_key_of(&flow, netns, connection ? connection->role : health_guess(&flow), &key);
	return health_event(&key, by, 0);
}

/* A reset that answers a SYN is a refusal, and one that comes to a closed socket resets nothing. */
RT_INLINE int health_received_reset(struct sock *sk)
{
	__u8 state = BPF_CORE_READ(sk, __sk_common.skc_state);

	if (state == TCP_SYN_SENT || state == TCP_SYN_RECV || state == TCP_CLOSE)
		return 0;
	return health_reset(sk, HEALTH_RESET_REMOTE);
}

/*
 * Without a packet that it answers it is the end of a connection by its own program or the kernel, whose socket is closed
 * already; a connection that never was is not ended in this way. With one it may be an answer to somebody this end knows
 * nothing of: from a listening socket, what is left of a connection, or (from Linux 6.10 on) no socket at all.
 */
RT_INLINE int health_sent_reset(struct sock *sk, struct sk_buff *answered)
{
	__u8 state;

	if (!sk)
		return 0;
	state = BPF_CORE_READ(sk, __sk_common.skc_state);
	if (state == TCP_TIME_WAIT || state == TCP_LISTEN || state == TCP_NEW_SYN_RECV)
		return 0;
	if (answered && (state == TCP_SYN_SENT || state == TCP_SYN_RECV))
		return 0;
	return health_reset(sk, HEALTH_RESET_LOCAL);
}

RT_INLINE int health_answered_again(struct sock *request)
{
	struct health_answer_key key = {};
	__u64 first = BPF_CORE_READ((struct tcp_request_sock *)request, snt_synack);

	if (!first || !health_ends(request, true, &key.flow))
		return 0;
	key.netns = health_netns(request);
	bpf_map_update_elem(&health_answers, &key, &first, BPF_ANY);
	return 0;
}

/*
 * A fifth of a second in jiffies. No program can ask how many there are to a second, but this long is what a socket may delay an
 * acknowledgement. One that was told otherwise is looked at more or less often.
 */
RT_INLINE __u32 health_fifth(struct inet_connection_sock___health *connection, const bool typed)
{
	__u32 fifth = 0;

	if (bpf_core_field_exists(connection->icsk_delack_max))
		fifth = HEALTH_GET(typed, connection, icsk_delack_max);
	return fifth ? fifth : 50;
}

/*
 * For every segment a connection receives, so it has to be cheap for most: the first one since the interval began anew is
 * looked at. The socket itself knows, as it notes the time of data and of acknowledgements after this: there is no state to keep.
 */
RT_INLINE int health_probe(struct sock *sk, const bool typed)
{
	struct inet_connection_sock___health *connection;
	struct health_connection *known;
	struct health_flow_key flow = {};
	struct health_key key = {};
	struct tcp_sock___health *tcp;
	__u32 now, acknowledged, data, interval;
	__u64 id = (__u64)sk;
	rt_netns netns;

	if (typed)
		tcp = (void *)bpf_skc_to_tcp_sock(sk);
	else
		tcp = (void *)sk;
	if (!tcp)
		return 0;
	connection = (void *)tcp;
	now = bpf_jiffies64();
	acknowledged = HEALTH_GET(typed, tcp, rcv_tstamp);
	data = HEALTH_GET(typed, connection, icsk_ack.lrcvtime);
	if (now == acknowledged || now == data)
		return 0;
	interval = health_fifth(connection, typed) * sample_fifths;
	if (!interval || now / interval == acknowledged / interval || now / interval == data / interval)
		return 0;
	netns = health_netns(sk);
	if (!rt_on_this_node(netns) || !health_ends(sk, false, &flow))
		return 0;
	known = bpf_map_lookup_elem(&health_connections, &id);
	health_key_of(&flow, netns, known ? known->role : health_guess(&flow), &key);
	return health_look(sk, &key, &flow);
}

/* Typed where the kernel allows it, else raw: one of the two is loaded. */
#define HEALTH_HOOK(tracepoint, name, work, ...) \
	SEC("tp_btf/" #tracepoint) \
	int BPF_PROG(name, __VA_ARGS__) \
	{ \
		const bool typed = true; \
		(void)typed; \
		return work; \
	} \
	SEC("raw_tp/" #tracepoint) \
	int BPF_PROG(raw_##name, __VA_ARGS__) \
	{ \
		const bool typed = false; \
		(void)typed; \
		return work; \
	}

HEALTH_HOOK(inet_sock_set_state, state, health_state(sk, from, to), struct sock *sk, int from, int to)
HEALTH_HOOK(tcp_destroy_sock, destroy, health_forget(sk), struct sock *sk)
HEALTH_HOOK(tcp_receive_reset, received_reset, health_received_reset(sk), struct sock *sk)
HEALTH_HOOK(tcp_send_reset, sent_reset, health_sent_reset(sk, skb), struct sock *sk, struct sk_buff *skb)
HEALTH_HOOK(tcp_retransmit_synack, answer, health_answered_again(request), struct sock *sk, struct sock *request)
HEALTH_HOOK(tcp_probe, probe, health_probe(sk, typed), struct sock *sk)
