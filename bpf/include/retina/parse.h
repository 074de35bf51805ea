/* SPDX-License-Identifier: MIT */
/*
 * The packet parser of the taps. Two fast paths read the packet where it lies: Ethernet, IPv4 without options or IPv6
 * without extension headers, TCP or UDP, not fragmented, no GSO packet, lengths that agree. They return false for anything
 * else, and rt_parse_any, which copies header after header and so also reads packets whose headers lie in fragments of the
 * buffer, decides what it is. (A GSO packet stands for up to 45 or more: what it costs there is little for each of them.)
 * Each handler is compiled once behind each of the three, with what is known there folded in.
 *
 * A device without link-layer header (tun, WireGuard) puts the IP header first. Its packets can look like Ethernet frames
 * and the other way round; the fast paths leave every packet that could be either to rt_parse_any, which asks the kernel.
 */
#ifndef RETINA_PARSE_H
#define RETINA_PARSE_H

#include "maps.h"
#include "packet.h"

#define RT_ETH_LENGTH 14
#define RT_ETH_IPV4 0x0800
#define RT_ETH_IPV6 0x86dd
#define RT_ETH_VLAN 0x8100
#define RT_ETH_QINQ 0x88a8
#define RT_ETH_QINQ_OLD 0x9100

#define RT_IPPROTO_HOPOPTS 0
#define RT_IPPROTO_ICMP 1
#define RT_IPPROTO_TCP 6
#define RT_IPPROTO_UDP 17
#define RT_IPPROTO_DCCP 33
#define RT_IPPROTO_ROUTING 43
#define RT_IPPROTO_FRAGMENT 44
#define RT_IPPROTO_AH 51
#define RT_IPPROTO_ICMPV6 58
#define RT_IPPROTO_NONE 59
#define RT_IPPROTO_DSTOPTS 60
#define RT_IPPROTO_SCTP 132
#define RT_IPPROTO_MOBILITY 135
#define RT_IPPROTO_UDPLITE 136
#define RT_IPPROTO_HIP 139
#define RT_IPPROTO_SHIM6 140

#define RT_MAX_VLANS 4
#define RT_MAX_EXTENSIONS 8

/* Unaligned reads from the packet: every architecture with a JIT that is supported does them in one instruction. */
#define RT_U8(at) (*(const __u8 *)(at))
#define RT_U16(at) (*(const __u16 *)(at))
#define RT_U32(at) (*(const __u32 *)(at))
#define RT_U64(at) (*(const __u64 *)(at))

/* Whether a frame that reads as Ethernet could be an IP packet without link-layer header: then length and version fit, too. */
RT_INLINE bool rt_ambiguous(const void *data, __u32 length)
{
	__u32 first = RT_U8(data);
	if (RT_LIKELY((first ^ 0x40) & 0xd0))
		return false;
	return (first & 0x20) ? bpf_ntohs(RT_U16(data + 4)) + 40u <= length : bpf_ntohs(RT_U16(data + 2)) <= length;
}

/* The tag that a device took off, or puts in as it sends: on the wire it is there, in the packet's length it is not. */
RT_INLINE __u32 rt_tag_bytes(struct __sk_buff *skb)
{
	return skb->vlan_present ? 4 : 0;
}

/* What the fast paths know of every packet they accept. */
RT_INLINE void rt_parse_single(struct __sk_buff *skb, struct rt_packet *packet, __u32 headers)
{
	packet->status = RT_PARSE_OK;
	packet->fragment = RT_FRAGMENT_NONE;
	packet->vlans = 0;
	packet->ports = 1;
	packet->quick = 1;
	packet->network = RT_ETH_LENGTH;
	packet->payload = headers;
	packet->segments = 1;
	packet->wire_bytes = packet->length + rt_tag_bytes(skb);
	packet->gso_size = 0;
}

RT_INLINE bool rt_parse_ipv4(struct __sk_buff *skb, struct rt_packet *packet)
{
	const void *data = (const void *)(long)skb->data;
	const void *end = (const void *)(long)skb->data_end;
	__u32 length = skb->len;
	__u32 total, least, headers;

	if (data + RT_ETH_LENGTH + 20 + 8 > end)
		return false;
	/* Ethernet type, version and header length at one go */
	if ((RT_U32(data + 12) & bpf_htonl(0xffffff00)) != bpf_htonl(RT_ETH_IPV4 << 16 | 0x4500) ||
	    (RT_U16(data + 20) & bpf_htons(0x3fff)) || rt_ambiguous(data, length))
		return false;
	packet->protocol = RT_U8(data + 23);
	if (packet->protocol == RT_IPPROTO_TCP) {
		__u32 word;
		if (data + RT_ETH_LENGTH + 20 + 20 > end)
			return false;
		word = bpf_ntohs(RT_U16(data + 46));
		if (word < 0x5000)
			return false;
		least = RT_ETH_LENGTH + 20 + 20;
		headers = RT_ETH_LENGTH + 20 + ((word >> 10) & 0x3c);
		packet->flags = word & 0x1ff;
	} else if (packet->protocol == RT_IPPROTO_UDP) {
		headers = least = RT_ETH_LENGTH + 20 + 8;
		packet->flags = 0;
	} else {
		return false;
	}
	total = bpf_ntohs(RT_U16(data + 16)) + RT_ETH_LENGTH;
	if (total < least || skb->gso_size)
		return false;

	rt_ip_from_v4(&packet->saddr, (__u32)RT_U64(data + 26));
	rt_ip_from_v4(&packet->daddr, (__u32)(RT_U64(data + 26) >> 32));
	packet->sport = (__u16)RT_U32(data + 34);
	packet->dport = RT_U32(data + 34) >> 16;
	packet->length = length;
	packet->ifindex = skb->ifindex;
	packet->transport = RT_ETH_LENGTH + 20;
	packet->family = 4;
	rt_parse_single(skb, packet, headers);
	return true;
}

RT_INLINE bool rt_parse_ipv6(struct __sk_buff *skb, struct rt_packet *packet)
{
	const void *data = (const void *)(long)skb->data;
	const void *end = (const void *)(long)skb->data_end;
	__u32 length = skb->len;
	__u32 total, least, headers;

	if (data + RT_ETH_LENGTH + 40 + 8 > end)
		return false;
	if ((RT_U32(data + 12) & bpf_htonl(0xfffff000)) != bpf_htonl(RT_ETH_IPV6 << 16 | 0x6000) || rt_ambiguous(data, length))
		return false;
	packet->protocol = RT_U8(data + 20);
	if (packet->protocol == RT_IPPROTO_TCP) {
		__u32 word;
		if (data + RT_ETH_LENGTH + 40 + 20 > end)
			return false;
		word = bpf_ntohs(RT_U16(data + 66));
		if (word < 0x5000)
			return false;
		least = RT_ETH_LENGTH + 40 + 20;
		headers = RT_ETH_LENGTH + 40 + ((word >> 10) & 0x3c);
		packet->flags = word & 0x1ff;
	} else if (packet->protocol == RT_IPPROTO_UDP) {
		headers = least = RT_ETH_LENGTH + 40 + 8;
		packet->flags = 0;
	} else {
		return false;
	}
	total = bpf_ntohs(RT_U16(data + 18)) + RT_ETH_LENGTH + 40;
	if (total < least || skb->gso_size)
		return false;

	packet->saddr.pair[0] = RT_U64(data + 22);
	packet->saddr.pair[1] = RT_U64(data + 30);
	packet->daddr.pair[0] = RT_U64(data + 38);
	packet->daddr.pair[1] = RT_U64(data + 46);
	packet->sport = (__u16)RT_U32(data + 54);
	packet->dport = RT_U32(data + 54) >> 16;
	packet->length = length;
	packet->ifindex = skb->ifindex;
	packet->transport = RT_ETH_LENGTH + 40;
	packet->family = 6;
	rt_parse_single(skb, packet, headers);
	return true;
}

#include "parse_any.h"

#endif
