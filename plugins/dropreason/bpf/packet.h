/* SPDX-License-Identifier: MIT */
/*
 * Reads a dropped packet. It may have been dropped anywhere: before its headers were found or after they were pulled
 * off, in a socket's queue where `dev` is something else, before it had a device. So nothing is followed unchecked.
 */
#ifndef DROPREASON_PACKET_H
#define DROPREASON_PACKET_H

#include <retina/compat.h>
#include <retina/kernel.h>

#include "records.h"

#define ETH_P_IP 0x0800
#define ETH_P_IPV6 0x86dd
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8

#define PROTO_HOP_OPTIONS 0
#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_DCCP 33
#define PROTO_ROUTING 43
#define PROTO_FRAGMENT 44
#define PROTO_AUTH 51
#define PROTO_ICMPV6 58
#define PROTO_DESTINATION 60
#define PROTO_SCTP 132
#define PROTO_UDPLITE 136

#define MAX_EXTENSION_HEADERS 6

/* Members of a tp_btf argument are loaded at once; those of a raw tracepoint's through the probe helper. */
#define DROP_GET(typed, object, member) \
	({ \
		typeof((object)->member) drop_got; \
		if (typed) \
			drop_got = (object)->member; \
		else \
			drop_got = BPF_CORE_READ(object, member); \
		drop_got; \
	})

struct drop_l4 {
	__be16 sport;
	__be16 dport;
	__u8 between[8];
	__u8 tcp_length; /* in the upper half */
	__u8 rest;
};

/* What of the linear part of a packet is headers: offsets from `head`. */
struct drop_headers {
	unsigned char *head;
	__u32 network;
	__u32 tail;
	__u32 length; /* from the network header on; 0 if there are none that can be read */
};

/* Reads type or ports at `at`; returns the length of the transport header, 0 if unknown. */
RT_INLINE __u32 drop_read_l4(const struct drop_headers *headers, __u32 at, struct drop_flow_key *key)
{
	struct drop_l4 l4 = {};

	switch (key->protocol) {
	case PROTO_TCP:
		if (at + sizeof(l4) > headers->tail || bpf_probe_read_kernel(&l4, sizeof(l4), headers->head + at))
			break;
		key->sport = bpf_ntohs(l4.sport);
		key->dport = bpf_ntohs(l4.dport);
		return (l4.tcp_length >> 4) * 4;
	case PROTO_UDP:
	case PROTO_UDPLITE:
	case PROTO_SCTP:
	case PROTO_DCCP:
		if (at + 4 > headers->tail || bpf_probe_read_kernel(&l4, 4, headers->head + at))
			break;
		key->sport = bpf_ntohs(l4.sport);
		key->dport = bpf_ntohs(l4.dport);
		return 8;
	case PROTO_ICMP:
	case PROTO_ICMPV6:
		if (at + 2 > headers->tail || bpf_probe_read_kernel(&l4, 2, headers->head + at))
			break;
		key->sport = ((__u8 *)&l4)[0];
		key->dport = ((__u8 *)&l4)[1];
	}
	return 0;
}

/* Both return the length of all headers from the network header on, 0 if it is no such packet. */
RT_INLINE __u32 drop_read_v4(const struct drop_headers *headers, struct drop_flow_key *key)
{
	struct {
		__u8 version_length, tos;
		__be16 length, id, fragment;
		__u8 ttl, protocol;
		__u16 check;
		__be32 saddr, daddr;
	} ip;
	__u32 length;

	if (headers->network + sizeof(ip) > headers->tail ||
	    bpf_probe_read_kernel(&ip, sizeof(ip), headers->head + headers->network))
		return 0;
	length = (ip.version_length & 15) * 4;
	if (ip.version_length >> 4 != 4 || length < sizeof(ip))
		return 0;
	rt_ip_from_v4((union rt_ip *)key->saddr, ip.saddr);
	rt_ip_from_v4((union rt_ip *)key->daddr, ip.daddr);
	key->family = 4;
	key->protocol = ip.protocol;
	if (ip.fragment & bpf_htons(0x1fff))
		return length;
	return length + drop_read_l4(headers, headers->network + length, key);
}

RT_INLINE __u32 drop_read_v6(const struct drop_headers *headers, struct drop_flow_key *key)
{
	struct {
		__u8 version, flow[3];
		__be16 length;
		__u8 next, hops;
		rt_addr saddr, daddr;
	} ip;
	struct {
		__u8 next, length;
		__be16 fragment;
	} extension;
	__u32 at = headers->network + sizeof(ip);

	if (at > headers->tail || bpf_probe_read_kernel(&ip, sizeof(ip), headers->head + headers->network) ||
	    ip.version >> 4 != 6)
		return 0;
	__builtin_memcpy(key->saddr, ip.saddr, sizeof(rt_addr));
	__builtin_memcpy(key->daddr, ip.daddr, sizeof(rt_addr));
	key->family = 6;
	key->protocol = ip.next;
#pragma unroll
	for (int i = 0; i < MAX_EXTENSION_HEADERS; i++) {
		if (key->protocol != PROTO_HOP_OPTIONS && key->protocol != PROTO_ROUTING && key->protocol != PROTO_DESTINATION &&
		    key->protocol != PROTO_FRAGMENT && key->protocol != PROTO_AUTH)
			break;
		if (at + 8 > headers->tail || bpf_probe_read_kernel(&extension, sizeof(extension), headers->head + at))
			return at - headers->network;
		if (key->protocol == PROTO_FRAGMENT) {
			at += 8;
			key->protocol = extension.next;
			if (extension.fragment & bpf_htons(0xfff8))
				return at - headers->network;
			continue;
		}
		at += key->protocol == PROTO_AUTH ? (extension.length + 2) * 4 : (extension.length + 1) * 8;
		key->protocol = extension.next;
	}
	return at - headers->network + drop_read_l4(headers, at, key);
}

/*
 * Fills addresses, ports and protocol of `key` as far as they can be read, the packets and bytes it stands for, and where
 * its headers are.
 */
RT_INLINE void drop_read_packet(struct sk_buff *skb, const bool typed, struct drop_flow_key *key, struct drop_value *value,
				struct drop_headers *headers)
{
	__u16 protocol = bpf_ntohs(DROP_GET(typed, skb, protocol));
	__u32 length = DROP_GET(typed, skb, len);
	struct skb_shared_info *shared;
	__u16 segments, size;
	__u32 data;

	headers->head = DROP_GET(typed, skb, head);
	headers->network = DROP_GET(typed, skb, network_header);
	headers->tail = DROP_GET(typed, skb, tail);
	headers->length = 0;
	data = DROP_GET(typed, skb, data) - headers->head;
	value->packets = 1;
	value->bytes = length;
	if (protocol != ETH_P_IP && protocol != ETH_P_IPV6 && protocol != ETH_P_8021Q && protocol != ETH_P_8021AD && protocol)
		return;
	if (!headers->network) /* not yet looked for: a driver's packet starts with the network header */
		headers->network = data;
	if (protocol != ETH_P_IPV6)
		headers->length = drop_read_v4(headers, key);
	if (!headers->length && protocol != ETH_P_IP)
		headers->length = drop_read_v6(headers, key);
	if (!headers->length)
		return;
	value->bytes = length + (__s64)data - headers->network;

	shared = (void *)(headers->head + DROP_GET(typed, skb, end));
	size = BPF_CORE_READ(shared, gso_size);
	if (!size || value->bytes <= headers->length)
		return;
	segments = BPF_CORE_READ(shared, gso_segs);
	value->packets = segments ? segments : (value->bytes - headers->length + size - 1) / size;
	value->bytes += (value->packets - 1) * headers->length;
}

#endif
