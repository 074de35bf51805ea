/* SPDX-License-Identifier: MIT */
/*
 * What every BPF program of Retina starts from: the kernel's fixed-width types, the helpers, and typedefs that say what a
 * number means. A record field of such a type carries the meaning to user space: `retina-bpf` writes it into the layout.
 */
#ifndef RETINA_TYPES_H
#define RETINA_TYPES_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

typedef __u64 rt_ktime;    /* nanoseconds since boot, suspend included (bpf_ktime_get_boot_ns) */
typedef __u64 rt_nanos;    /* a duration in nanoseconds */
typedef __u32 rt_micros;   /* a duration in microseconds */
typedef __u64 rt_packets;  /* packets as on the wire */
typedef __u64 rt_bytes;    /* bytes as on the wire, from the link layer up */
typedef __u64 rt_count;    /* events */
typedef __u64 rt_kaddress; /* address of kernel code: a symbol */
typedef __u32 rt_ifindex;  /* interface index, in the network namespace of the event */
typedef __u32 rt_netns;    /* inode number of a network namespace */
typedef __u32 rt_reason;   /* value of the kernel's enum skb_drop_reason, subsystem in the upper half */
typedef __u32 rt_pid;      /* process id in the initial namespace */
typedef __u16 rt_port;     /* port, host byte order */
typedef __be16 rt_be_port; /* port, network byte order */
typedef __u16 rt_flags;    /* TCP flags, FIN in bit 0 up to CWR in bit 7, NS in bit 8 */
typedef __u8 rt_protocol;  /* IANA protocol number */
typedef __u8 rt_family;    /* 4 or 6 */
typedef __u8 rt_tcp_state; /* TCP_ESTABLISHED … of the kernel */
typedef __u8 rt_addr[16];  /* IPv6 address, or IPv4 as ::ffff:a.b.c.d */

/* A group of 16 bytes that is an address, for code that copies and compares it by words. */
union rt_ip {
	rt_addr bytes;
	__u32 word[4];
	__u64 pair[2];
};

#define RT_INLINE static __always_inline
#define RT_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define RT_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* ::ffff:0:0/96, as a word of network order */
#define RT_MAPPED_WORD bpf_htonl(0xffff)

/* Writes an IPv4 address (network order) in its 16-byte form. */
RT_INLINE void rt_ip_from_v4(union rt_ip *ip, __be32 address)
{
	ip->word[0] = 0;
	ip->word[1] = 0;
	ip->word[2] = RT_MAPPED_WORD;
	ip->word[3] = address;
}

#endif
