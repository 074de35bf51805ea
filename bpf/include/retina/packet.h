/* SPDX-License-Identifier: MIT */
/* What the parser found out about one packet; what a tap handler is given, and what head and members of a chain share. */
#ifndef RETINA_PACKET_H
#define RETINA_PACKET_H

#include "types.h"

enum rt_parse_status {
	RT_PARSE_OK,
	RT_PARSE_NOT_IP,       /* ARP, LLDP, …: only length, ifindex, segments and wire_bytes are set */
	RT_PARSE_TRUNCATED,    /* ends within its headers */
	RT_PARSE_MALFORMED,    /* header lengths or versions that cannot be */
	RT_PARSE_HEADER_CHAIN, /* more VLAN tags or IPv6 extension headers than are followed */
};

enum rt_fragment {
	RT_FRAGMENT_NONE,
	RT_FRAGMENT_FIRST,   /* has its ports; later ones get them from it */
	RT_FRAGMENT_LATER,   /* ports and protocol are the first one's */
	RT_FRAGMENT_UNKNOWN, /* a later one whose first was not seen: ports are 0 */
};

enum rt_tcp_flag {
	RT_TCP_FIN = 1 << 0,
	RT_TCP_SYN = 1 << 1,
	RT_TCP_RST = 1 << 2,
	RT_TCP_PSH = 1 << 3,
	RT_TCP_ACK = 1 << 4,
	RT_TCP_URG = 1 << 5,
	RT_TCP_ECE = 1 << 6,
	RT_TCP_CWR = 1 << 7,
	RT_TCP_NS = 1 << 8,
};

/* Objects built apart share this through rt_tap_scratch: fields may be added in `spare`, never moved. Offsets count from skb->data. */
struct rt_packet {
	union rt_ip saddr; /* IPv4 as ::ffff:a.b.c.d */
	union rt_ip daddr;
	rt_be_port sport; /* ICMP and ICMPv6: type, and code in dport */
	rt_be_port dport;
	__u32 length;     /* skb->len */
	__u32 segments;   /* packets on the wire: more than 1 for a GSO packet */
	__u32 wire_bytes; /* bytes on the wire: every segment has its own headers */
	rt_ifindex ifindex;
	__u16 gso_size;  /* payload of each segment but the last, 0 without GSO */
	rt_flags flags;  /* TCP only */
	__u16 network;   /* IP header */
	__u16 transport; /* TCP, UDP, … header */
	__u16 payload;   /* behind the headers that every segment repeats */
	__u8 status;     /* enum rt_parse_status */
	rt_family family;
	rt_protocol protocol;
	__u8 fragment; /* enum rt_fragment */
	__u8 vlans;    /* tags in the payload; one the device took off is not seen here */
	__u8 ports;    /* 1: TCP or UDP, and sport and dport are known */
	__u8 next;     /* slot of the chain behind the program that runs */
	__u8 quick;    /* 1: came by one of the parser's fast paths; not split, not fragmented, TCP or UDP */
	__u8 reserved[2];
	__u32 seen_by; /* rt_tap_bit of each program of the chain that has handled it */
	__u8 spare[20];
};

_Static_assert(sizeof(struct rt_packet) == 96, "objects built apart share struct rt_packet");

/* Copies what is known to this version; what another one keeps in `spare` stays. */
RT_INLINE void rt_packet_copy(struct rt_packet *to, const struct rt_packet *from)
{
	to->saddr.pair[0] = from->saddr.pair[0];
	to->saddr.pair[1] = from->saddr.pair[1];
	to->daddr.pair[0] = from->daddr.pair[0];
	to->daddr.pair[1] = from->daddr.pair[1];
	to->sport = from->sport;
	to->dport = from->dport;
	to->length = from->length;
	to->segments = from->segments;
	to->wire_bytes = from->wire_bytes;
	to->ifindex = from->ifindex;
	to->gso_size = from->gso_size;
	to->flags = from->flags;
	to->network = from->network;
	to->transport = from->transport;
	to->payload = from->payload;
	to->status = from->status;
	to->family = from->family;
	to->protocol = from->protocol;
	to->fragment = from->fragment;
	to->vlans = from->vlans;
	to->ports = from->ports;
	to->quick = from->quick;
}

#endif
