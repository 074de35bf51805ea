/* SPDX-License-Identifier: MIT */
/*
 * The flow ring: what the tap programs write and the loader's drain reads. Shared by BPF C and C++, so it uses
 * fixed-width types only. Positions count 32-byte units and only grow; unit = ring[position & (units - 1)].
 *
 *   tail (reader) <= seal (reader) <= head (program)
 *
 * [tail, seal) belongs to the reader, [seal, head) to the program, which may still add to records in it.
 */
#ifndef RETINA_FLOW_RING_H
#define RETINA_FLOW_RING_H

#ifdef __cplusplus
#include <cstdint>
using rt_u8 = uint8_t;
using rt_u16 = uint16_t;
using rt_u32 = uint32_t;
using rt_u64 = uint64_t;
#else
typedef __u8 rt_u8;
typedef __u16 rt_u16;
typedef __u32 rt_u32;
typedef __u64 rt_u64;
#endif

/*
 * Maps and globals of an object built on the ring, by name:
 *   rt_ring      ARRAY, mmapable, value 64, two units: one region of rt_ring_units units per possible CPU
 *   rt_ring_cpu  ARRAY, mmapable: struct rt_ring_cpu per possible CPU
 *   rt_spill_0/1 HASH rt_spill_key -> rt_spill_value, picked by (rt_spill_generation & 1)
 *   rt_overflow  PERCPU_HASH rt_overflow_key -> rt_overflow_value; its own overflow is in rt_flow_totals
 *   rt_flow_totals PERCPU_ARRAY of rt_flow_total, indexed by enum rt_flow_total_id
 *   rt_wake      RINGBUF of 4096 bytes: one u32 (the CPU), when a region is half full
 *   rt_barrier   ARRAY_OF_MAPS, one slot: updating it waits for running programs
 *   rt_control   ARRAY, mmapable, one struct rt_flow_control
 *   rt_clock     program (socket filter), run once by BPF_PROG_TEST_RUN: fills rt_control's clock pair
 * Constants (const volatile, .rodata): rt_ring_units (power of two), rt_ring_cpus.
 */

#define RT_UNIT_BYTES 32

/* meta: ifindex in bits 0-21 of a narrow record (0 in a wide one), then: */
#define RT_META_IFINDEX_BITS 22
#define RT_META_IFINDEX_MASK ((1u << RT_META_IFINDEX_BITS) - 1)
#define RT_META_EGRESS (1u << 22) /* seen on the interface's egress hook */
#define RT_META_WIDE (1u << 23)   /* two units */
#define RT_META_PROTOCOL_SHIFT 24
/* meta == 0: padding, one unit, at odd positions (a wide record begins at an even one) */

/* struct rt_counts, u64 packets_word: packets in bits 0-31, last stamp 32-47, TCP flags 48-56 (bit order FIN..CWR, NS) */
/* u64 bytes_word: bytes in bits 0-47, first stamp 48-63. Stamps are the low 16 bits of jiffies. */
#define RT_COUNT_LAST_SHIFT 32
#define RT_COUNT_FLAGS_SHIFT 48
#define RT_COUNT_BYTES_MASK 0xffffffffffffull
#define RT_COUNT_FIRST_SHIFT 48
/*
 * TCP flags are part of the key: packets with different flags make different records, so packets per flag are exact.
 * Of a GSO packet with FIN, PSH or CWR one segment carries those and the rest the other flags (two records).
 */

struct rt_counts {
	rt_u64 packets_word;
	rt_u64 bytes_word;
};

/* IPv4 TCP and UDP, interface index below 2^22, ports known */
struct rt_narrow {
	rt_u32 saddr; /* as in the packet */
	rt_u32 daddr;
	rt_u16 sport; /* as in the packet (network order) */
	rt_u16 dport;
	rt_u32 meta;
	struct rt_counts counts;
};

#define RT_WIDE_IPV6 1u
#define RT_WIDE_FRAGMENT 2u /* a later fragment whose first one was not seen: ports are 0 */

/* everything else; addresses IPv4 as ::ffff:a.b.c.d */
struct rt_wide {
	rt_u32 ifindex;
	rt_u16 sport; /* network order; ICMP: type in the low byte of sport's host order, code in dport's */
	rt_u16 dport;
	rt_u32 kind; /* RT_WIDE_* */
	rt_u32 meta;
	struct rt_counts counts;
	rt_u8 saddr[16];
	rt_u8 daddr[16];
};

struct rt_ring_head {
	rt_u32 head; /* program */
	rt_u32 seal; /* reader */
	rt_u32 tail; /* reader */
	rt_u32 pad;
	rt_u64 spilled; /* program: packets that went to the spill */
	rt_u8 line[40];
};

/*
 * The program's index into its region: where a flow's record lies that may still be added to. A slot holds the position in
 * 24 bits, and in front of them a tag that spares the look at most wrong ones: one load for both. A slot not written for
 * 2^24 units may point anywhere between seal and head, so the record there has to show that it is the one.
 */
#define RT_INDEX_SLOTS 4096
#define RT_INDEX_POSITION 0xffffffu

/* All a program needs of its CPU, by one look-up. The reader uses `head` only. */
struct rt_ring_cpu {
	struct rt_ring_head head;
	/* This CPU's constants: `mask` is 0 until the slow path has set them, and stays 0 where every packet has to go there */
	rt_u64 seed;
	rt_u32 mask; /* of positions in the region */
	rt_u32 base; /* first unit of the region */
	rt_u32 slot[RT_INDEX_SLOTS];
};

struct rt_spill_key {
	rt_u8 saddr[16];
	rt_u8 daddr[16];
	rt_u32 ifindex;
	rt_u16 sport; /* as in struct rt_wide */
	rt_u16 dport;
	rt_u32 kind;
	rt_u16 tcp_flags;
	rt_u8 protocol;
	rt_u8 egress;
};

struct rt_spill_value {
	rt_u64 packets;
	rt_u64 bytes;
	rt_u16 first; /* stamps, as above */
	rt_u16 last;
	rt_u32 pad;
};

struct rt_overflow_key {
	rt_u32 ifindex;
	rt_u32 egress;
};

struct rt_overflow_value {
	rt_u64 packets;
	rt_u64 bytes;
};

/* Packets that are in no flow, and why. Names as user space shows them: lower case, without the prefix. */
enum rt_flow_total_id {
	RT_TOTAL_NOT_IP,       /* ARP, LLDP, …: no IP packet */
	RT_TOTAL_TRUNCATED,    /* ends within its headers */
	RT_TOTAL_MALFORMED,    /* header lengths or versions that cannot be */
	RT_TOTAL_HEADER_CHAIN, /* more IPv6 extension headers or VLAN tags than are followed */
	RT_TOTAL_OVERFLOW,     /* ring, spill and rt_overflow were all full */
	RT_TOTAL_SAMPLED_OUT,  /* left out on purpose: dataSamplingRate */
	RT_TOTAL_COUNT,
};

struct rt_flow_total {
	rt_u64 packets;
	rt_u64 bytes;
};

struct rt_flow_control {
	rt_u32 spill_generation; /* user space flips bit 0 */
	rt_u32 sampling;         /* 0 or 1: every packet; N: one in N, by flow-independent chance */
	rt_u64 clock_jiffies;    /* rt_clock: read together … */
	rt_u64 clock_boot_ns;    /* … with bpf_ktime_get_boot_ns */
	rt_u8 pad[40];
};

#endif
