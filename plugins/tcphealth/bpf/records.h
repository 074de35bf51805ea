/* SPDX-License-Identifier: MIT */
/* What the programs measure and count, by what, and where. The numbers are known to user space. */
#ifndef TCPHEALTH_RECORDS_H
#define TCPHEALTH_RECORDS_H

#include <retina/stream.h>

/* Which end began the connection. */
enum health_role {
	HEALTH_OPENED,   /* this one */
	HEALTH_ACCEPTED, /* the other one */
};

enum health_what {
	/* measures */
	HEALTH_RTT,      /* smoothed round-trip time: while data flows, and when the connection ends */
	HEALTH_MIN_RTT,  /* smallest round-trip time, at the same moments */
	HEALTH_SETUP,    /* one for every connection made: from SYN to established */
	HEALTH_DURATION, /* one for every connection that ended: from established to closed */
	/* events */
	HEALTH_FAILED,       /* a connect that came to nothing; `error` says why */
	HEALTH_CANCELLED,    /* a connect its own program gave up before anything was lost */
	HEALTH_RESET_REMOTE, /* a connection the peer reset */
	HEALTH_RESET_LOCAL,  /* a connection this end reset */
	HEALTH_WHATS,
};

/* Values of `error` that are no errno: the program gave up after the SYN was sent again; the SYN was never sent. */
#define HEALTH_GIVEN_UP 0xfffe
#define HEALTH_UNSENT 0xffff

struct health_key {
	union rt_ip local;
	union rt_ip remote;
	rt_netns netns;
	rt_port port; /* where the connection was made to: the remote port of one opened, the local of one accepted */
	__u8 role;
	__u8 what;
	__u16 error;
	__u8 pad[6];
};

/*
 * How often, and how long. Bucket i counts what is at most 2^(-16 + i / 2) seconds; of durations 2^(-10 + i). The last one
 * in use counts the rest.
 */
#define HEALTH_BUCKETS 48
struct health_buckets {
	__u32 count[HEALTH_BUCKETS];
};
struct health_measure {
	rt_count events;   /* those without a value are in no bucket */
	rt_count measured; /* those with one */
	__u64 micros;      /* their sum */
	struct health_buckets buckets;
};

struct health_count {
	rt_count events;
};

/* By both ends. What finds no room there goes by the local end alone, with an unspecified remote address. */
RT_TABLE(health_measures, struct health_key, struct health_measure, 2048);
RT_TABLE(health_events, struct health_key, struct health_count, 2048);
RT_TABLE(health_folded, struct health_key, struct health_measure, 1024);

/* What found no room there either, by health_what. */
RT_COUNTERS(health_unattributed, rt_count, HEALTH_WHATS);
/* Connections there was no room to remember, so that nobody knows when they began. */
RT_COUNTERS(health_forgotten, rt_count, 1);

/* What flow records are to say of a connection. */
struct health_flow_key {
	union rt_ip local;
	union rt_ip remote;
	rt_port local_port;
	rt_port remote_port;
	__u32 pad;
};
struct health_flow {
	rt_micros rtt;
	rt_micros min_rtt;
	rt_micros setup;
	__u32 pad;
};
RT_TABLE(health_flows, struct health_flow_key, struct health_flow, 4096);

/* How far a connection has come, as far as it was counted. */
enum health_phase {
	HEALTH_CONNECTING,
	HEALTH_ESTABLISHED,
	HEALTH_ENDED,
};

/* A connection: who began it, and when (nanoseconds, as bpf_ktime_get_ns) its phase did. It goes with its socket. */
struct health_connection {
	__u64 since;
	__u8 role;
	__u8 phase;
	__u8 pad[6];
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64);
	__type(value, struct health_connection);
} health_connections SEC(".maps");

/* When the first SYN-ACK was sent, of handshakes whose SYN-ACK was repeated; microseconds, as bpf_ktime_get_ns. */
struct health_answer_key {
	struct health_flow_key flow;
	rt_netns netns;
	__u32 pad;
};
RT_LRU(health_answers, struct health_answer_key, __u64, 1024);

#endif
