/* SPDX-License-Identifier: MIT */
/* What is read of TCP's sockets. */
#ifndef TCPHEALTH_SOCKET_H
#define TCPHEALTH_SOCKET_H

#include <retina/kernel.h>
#include <retina/node.h>

#include "records.h"

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6

#define TCP_ESTABLISHED 1
#define TCP_SYN_SENT 2
#define TCP_SYN_RECV 3
#define TCP_TIME_WAIT 6
#define TCP_CLOSE 7
#define TCP_LISTEN 10
#define TCP_NEW_SYN_RECV 12

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct minmax_sample {
	__u32 t;
	__u32 v;
};

struct minmax {
	struct minmax_sample s[3];
};

struct tcp_sock___health {
	__u32 srtt_us; /* times 8 */
	__u32 packets_out;
	__u32 total_retrans;
	__u32 rcv_tstamp; /* jiffies when something was last acknowledged */
	struct minmax rtt_min;
};

struct inet_connection_sock___health {
	struct {
		__u32 lrcvtime; /* jiffies when data last came */
	} icsk_ack;
	__u32 icsk_delack_max; /* jiffies */
};

struct sk_buff_head___health {
	struct sk_buff *next;
	__u32 qlen;
};

struct sock___health {
	struct sk_buff_head___health sk_error_queue;
};

struct sock_extended_err___health {
	__u32 ee_errno;
};

struct sock_exterr_skb {
	struct sock_extended_err___health ee;
};

struct tcp_request_sock {
	__u64 snt_synack; /* microseconds, when the first SYN-ACK was sent */
};

#pragma clang attribute pop

/* Members of a tp_btf argument are loaded at once; those of a raw tracepoint's through the probe helper. */
#define HEALTH_GET(typed, object, member) \
	({ \
		typeof((object)->member) health_got; \
		if (typed) \
			health_got = (object)->member; \
		else \
			health_got = BPF_CORE_READ(object, member); \
		health_got; \
	})

/* Both ends of a connection. A request has no port of its own but the common one. */
RT_INLINE bool health_ends(struct sock *sk, const bool request, struct health_flow_key *flow)
{
	__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	if (family == AF_INET) {
		rt_ip_from_v4(&flow->local, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
		rt_ip_from_v4(&flow->remote, BPF_CORE_READ(sk, __sk_common.skc_daddr));
	} else if (family == AF_INET6) {
		BPF_CORE_READ_INTO(&flow->local, sk, __sk_common.skc_v6_rcv_saddr);
		BPF_CORE_READ_INTO(&flow->remote, sk, __sk_common.skc_v6_daddr);
	} else {
		return false;
	}
	/* a socket's number is given back when it closes, the port in its headers stays */
	flow->local_port =
	    request ? BPF_CORE_READ(sk, __sk_common.skc_num) : bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	flow->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	return true;
}

/* The errno of the first message in the socket's queue of errors, 0 if there is none. */
RT_INLINE int health_queued_error(struct sock *sk)
{
	struct sock___health *queues = (void *)sk;
	struct sock_exterr_skb *message;

	if (!BPF_CORE_READ(queues, sk_error_queue.qlen))
		return 0;
	message = (void *)BPF_CORE_READ(queues, sk_error_queue.next) + bpf_core_field_offset(struct sk_buff, cb);
	return BPF_CORE_READ(message, ee.ee_errno);
}

RT_INLINE rt_netns health_netns(struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

RT_INLINE void health_key_of(const struct health_flow_key *flow, rt_netns netns, __u8 role, struct health_key *key)
{
	key->local = flow->local;
	key->remote = flow->remote;
	key->netns = netns;
	key->port = role == HEALTH_OPENED ? flow->remote_port : flow->local_port;
	key->role = role;
}

/* Who began a connection that is older than this program: the lower port is the service's. */
RT_INLINE __u8 health_guess(const struct health_flow_key *flow)
{
	return flow->local_port < flow->remote_port ? HEALTH_ACCEPTED : HEALTH_OPENED;
}

#endif
