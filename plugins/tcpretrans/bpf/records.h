/* SPDX-License-Identifier: MIT */
/* What the programs count, by what, and where. */
#ifndef TCPRETRANS_RECORDS_H
#define TCPRETRANS_RECORDS_H

#include <retina/stream.h>

/* Why a segment was sent again. The numbers are known to user space. */
enum retrans_kind {
	RETRANS_SYN,        /* a connect that has no answer yet */
	RETRANS_SYNACK,     /* an answer to a connect that was not acknowledged */
	RETRANS_TIMEOUT,    /* nothing was acknowledged for the retransmission timeout */
	RETRANS_SLOW_START, /* the rest of what a timeout declared lost */
	RETRANS_FAST,       /* the peer's acknowledgements show a hole */
	RETRANS_LOSS_PROBE, /* the last segment once more, to find out whether it arrived (tail-loss probe) */
	RETRANS_SPURIOUS,   /* no retransmission: the peer says it had a retransmitted segment already (DSACK) */
	RETRANS_KINDS,
};

struct retrans_key {
	union rt_ip local;
	union rt_ip remote;
	rt_netns netns;
	rt_port local_port;
	rt_port remote_port;
	__u8 kind;
	__u8 pad[7];
};

struct retrans_value {
	rt_packets segments;
};

RT_TABLE(retransmits, struct retrans_key, struct retrans_value, 4096);

/* Segments by kind that found no room in the table. */
RT_COUNTERS(retrans_unattributed, rt_count, RETRANS_KINDS);

/* Attempts that sent nothing, and connections whose duplicates are not followed since there is no room for them. */
#define RETRANS_NOT_SENT 0
#define RETRANS_NOT_FOLLOWED 1
RT_COUNTERS(retrans_others, rt_count, 2);

/*
 * By socket, since its first retransmission: how many duplicates its peer had reported when they were last counted. An entry
 * goes with its socket, so it is no LRU: what would be evicted would be counted twice.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, __u64);
} retrans_duplicates SEC(".maps");

#endif
