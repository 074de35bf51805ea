/* SPDX-License-Identifier: MIT */
/* What the programs count, by what, and where. */
#ifndef DROPREASON_RECORDS_H
#define DROPREASON_RECORDS_H

#include <retina/stream.h>

/* Values of struct drop_flow_key's direction; the same numbers as the flow record's. */
#define DROP_UNKNOWN 0
#define DROP_INGRESS 1
#define DROP_EGRESS 2

/* Addressed to a group, or to another host: nobody here need have wanted it. */
#define DROP_GROUP 1
/* Belongs to no device, socket or route: a piece of another packet, freed with it. */
#define DROP_DETACHED 2
/* In the agent's own network namespace, whose rules it can read. */
#define DROP_OWN 4

/* No reason of the kernel: a connection attempt that failed. Subsystem 0xffff is nobody's. */
#define DROP_CONNECT_FAILED 0xffff0001

/* Kernel code lies in the uppermost 2^48 bytes; without the upper 16 bits an address is exact in a double. */
#define DROP_LOCATION_MASK 0xffffffffffffull

/* By this the totals are kept: as many entries as there are places in the kernel that drop, so the table does not fill.
 */
struct drop_total_key {
	__u64 location;
	rt_reason reason;
	__u8 direction;
	__u8 marks; /* DROP_GROUP, DROP_DETACHED, DROP_OWN */
	__u16 pad;
};

struct drop_flow_key {
	rt_addr saddr;
	rt_addr daddr;
	__u64 location;
	rt_reason reason;
	rt_netns netns;
	rt_ifindex ifindex;
	rt_port sport; /* ICMP: type */
	rt_port dport; /* ICMP: code */
	rt_protocol protocol;
	rt_family family; /* 0: no IP packet could be read */
	__u8 direction;
	__u8 marks;
	__u32 chain; /* which of drop_chains; 0: not known */
};

struct drop_value {
	rt_packets packets;
	rt_bytes bytes; /* IP packets, from the IP header on */
};

RT_TABLE(drop_totals, struct drop_total_key, struct drop_value, 2048);
RT_TABLE(drop_flows, struct drop_flow_key, struct drop_value, 4096);

/* Packets and bytes that found no room: element 0 in drop_flows (they are in the totals), 1 in drop_totals. */
#define DROP_NO_FLOW 0
#define DROP_NO_TOTAL 1
RT_COUNTERS(drop_unattributed, struct drop_value, 2);

/* What one of the dropped packets looked like: its headers, from the network header on. */
#define DROP_SAMPLE_BYTES 128
struct drop_sample {
	struct drop_flow_key flow;
	struct drop_value value;
	__u32 length; /* of the headers that are here */
	__u32 pad;
	__u8 packet[DROP_SAMPLE_BYTES];
};
RT_STREAM(drop_samples, struct drop_sample, 64 * 1024);

/* How many samples one reason at one place, and all together, have had since user space counted `tick` up. */
#define DROP_BUDGETS 256
struct drop_budget {
	__u32 tick;
	__u32 used;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, DROP_BUDGETS + 1); /* the last one is everybody's */
	__type(key, __u32);
	__type(value, struct drop_budget);
} drop_budgets SEC(".maps");
RT_SHARED(drop_tick, __u64, 1);

/* 1: a reason of the kernel's core that user space does not want to hear of. */
#define DROP_QUIET_REASONS 512
RT_SHARED(drop_quiet, __u64, DROP_QUIET_REASONS);

/* Names of the places in the kernel that dropped something, written at the first drop of each. */
#define DROP_SYMBOL_LENGTH 64
struct drop_symbol {
	char name[DROP_SYMBOL_LENGTH];
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct drop_symbol);
} drop_symbols SEC(".maps");

#endif
