/* SPDX-License-Identifier: MIT */
/* The parser's slow path, for every packet the fast paths leave. Included by parse.h. */
#ifndef RETINA_PARSE_ANY_H
#define RETINA_PARSE_ANY_H

#include "parse_tunnel.h"

struct rt_ipv4_header {
	__u8 version_ihl;
	__u8 tos;
	__be16 total;
	__be16 id;
	__be16 fragment;
	__u8 ttl;
	__u8 protocol;
	__u16 checksum;
	__be32 saddr;
	__be32 daddr;
};

struct rt_ipv6_header {
	__u8 version_class;
	__u8 class_label[3];
	__be16 payload;
	__u8 next;
	__u8 hops;
	union rt_ip saddr __attribute__((aligned(4), packed));
	union rt_ip daddr __attribute__((aligned(4), packed));
};

/* Which first fragment a later one belongs to. */
struct rt_fragment_key {
	union rt_ip saddr;
	union rt_ip daddr;
	__u32 id;
	__u32 ifindex;
	__u32 egress;
	__u32 protocol; /* IPv4's, or what IPv6's fragment header names next */
};

struct rt_fragment_value {
	rt_be_port sport;
	rt_be_port dport;
	__u32 protocol; /* behind further extension headers, which only the first fragment has */
};

/* Losing an old entry costs later fragments their ports, and nothing else: they count as such. */
RT_LRU(rt_fragments, struct rt_fragment_key, struct rt_fragment_value, 2048);

/* The packet as it was parsed, for the slow path's caller and for the members of a chain. Two taps never run at once on one CPU. */
RT_SCRATCH(rt_tap_scratch, struct rt_packet);

/* Where the walk through the headers stands. */
struct rt_cursor {
	__u32 offset; /* of the header to read next */
	__u32 end;    /* of the IP packet, as its own length says */
	__u32 id;     /* of the fragments, with `fragmented` */
	__u8 protocol;
	__u8 fragment_protocol;
	bool fragmented;
	bool later;
};

/* Whether the packet starts with its IP header: the kernel knows where that is, whatever the device. */
RT_INLINE bool rt_starts_with_ip(struct __sk_buff *skb)
{
	__u64 first[2], network[2];
	if (bpf_skb_load_bytes(skb, 0, first, sizeof(first)) || ((first[0] ^ 0x40) & 0xd0))
		return false;
	if (bpf_skb_load_bytes_relative(skb, 0, network, sizeof(network), BPF_HDR_START_NET))
		return false;
	return first[0] == network[0] && first[1] == network[1];
}

/* Follows Ethernet and VLAN headers. Returns the Ethernet type, or 0 with packet->status set. */
RT_INLINE __u32 rt_parse_link(struct __sk_buff *skb, struct rt_packet *packet, __u32 *offset)
{
	__be16 type;
	__u8 version;

	if (rt_starts_with_ip(skb)) {
		*offset = 0;
		bpf_skb_load_bytes(skb, 0, &version, 1);
		return (version >> 4) == 4 ? RT_ETH_IPV4 : RT_ETH_IPV6;
	}
	*offset = RT_ETH_LENGTH;
	if (bpf_skb_load_bytes(skb, 12, &type, 2)) {
		packet->status = RT_PARSE_TRUNCATED;
		return 0;
	}
#pragma unroll
	for (int i = 0; i <= RT_MAX_VLANS; i++) {
		if (type != bpf_htons(RT_ETH_VLAN) && type != bpf_htons(RT_ETH_QINQ) && type != bpf_htons(RT_ETH_QINQ_OLD))
			break;
		if (i == RT_MAX_VLANS) {
			packet->status = RT_PARSE_HEADER_CHAIN;
			return 0;
		}
		if (bpf_skb_load_bytes(skb, *offset + 2, &type, 2)) {
			packet->status = RT_PARSE_TRUNCATED;
			return 0;
		}
		*offset += 4;
		packet->vlans++;
	}
	return bpf_ntohs(type);
}

RT_INLINE enum rt_parse_status rt_walk_ipv4(struct __sk_buff *skb, struct rt_packet *packet, struct rt_cursor *cursor)
{
	struct rt_ipv4_header header;
	__u32 available = packet->length - cursor->offset;
	__u32 ihl, total, fragment;

	if (bpf_skb_load_bytes(skb, cursor->offset, &header, sizeof(header)))
		return RT_PARSE_TRUNCATED;
	ihl = (header.version_ihl & 15) * 4;
	total = bpf_ntohs(header.total);
	if (!total && skb->gso_size)
		total = available; /* a super-packet beyond 64 KiB */
	if ((header.version_ihl >> 4) != 4 || ihl < 20 || total < ihl)
		return RT_PARSE_MALFORMED;
	if (ihl > available)
		return RT_PARSE_TRUNCATED;
	if (total > available)
		total = available; /* the payload is cut short; that is the receiver's business */

	rt_ip_from_v4(&packet->saddr, header.saddr);
	rt_ip_from_v4(&packet->daddr, header.daddr);
	fragment = bpf_ntohs(header.fragment);
	cursor->end = cursor->offset + total;
	cursor->offset += ihl;
	cursor->protocol = header.protocol;
	cursor->fragment_protocol = header.protocol;
	cursor->fragmented = fragment & 0x3fff;
	cursor->later = fragment & 0x1fff;
	cursor->id = header.id;
	return RT_PARSE_OK;
}

RT_INLINE enum rt_parse_status rt_walk_ipv6(struct __sk_buff *skb, struct rt_packet *packet, struct rt_cursor *cursor)
{
	struct rt_ipv6_header header;
	__u32 available = packet->length - cursor->offset;
	__u32 payload;

	if (bpf_skb_load_bytes(skb, cursor->offset, &header, sizeof(header)))
		return RT_PARSE_TRUNCATED;
	if ((header.version_class >> 4) != 6)
		return RT_PARSE_MALFORMED;
	payload = bpf_ntohs(header.payload);
	available -= sizeof(header);
	/* 0 stands for a jumbogram, or a super-packet beyond 64 KiB; or there is nothing behind the header */
	if (payload > available || (!payload && header.next != RT_IPPROTO_NONE))
		payload = available;

	packet->saddr = header.saddr;
	packet->daddr = header.daddr;
	cursor->end = cursor->offset + sizeof(header) + payload;
	cursor->offset += sizeof(header);
	cursor->protocol = header.next;
	for (int i = 0; i <= RT_MAX_EXTENSIONS; i++) {
		struct {
			__u8 next;
			__u8 length;
			__be16 fragment;
			__be32 id;
		} extension;
		__u32 size;
		switch (cursor->protocol) {
		case RT_IPPROTO_HOPOPTS:
		case RT_IPPROTO_ROUTING:
		case RT_IPPROTO_DSTOPTS:
		case RT_IPPROTO_FRAGMENT:
		case RT_IPPROTO_AH:
		case RT_IPPROTO_MOBILITY:
		case RT_IPPROTO_HIP:
		case RT_IPPROTO_SHIM6:
			break;
		default:
			return RT_PARSE_OK;
		}
		if (cursor->offset + sizeof(extension) > cursor->end ||
		    bpf_skb_load_bytes(skb, cursor->offset, &extension, sizeof(extension)))
			return RT_PARSE_TRUNCATED;
		if (cursor->protocol == RT_IPPROTO_FRAGMENT) {
			cursor->fragmented = extension.fragment & bpf_htons(0xfff9);
			cursor->later = extension.fragment & bpf_htons(0xfff8);
			cursor->fragment_protocol = extension.next;
			cursor->id = extension.id;
			size = 8;
		} else if (cursor->protocol == RT_IPPROTO_AH) {
			size = (extension.length + 2u) * 4;
		} else {
			size = (extension.length + 1u) * 8;
		}
		cursor->offset += size;
		if (cursor->offset > cursor->end)
			return RT_PARSE_TRUNCATED;
		cursor->protocol = extension.next;
		if (cursor->later)
			return RT_PARSE_OK; /* what follows is data */
	}
	return RT_PARSE_HEADER_CHAIN;
}

RT_INLINE enum rt_parse_status rt_walk_transport(struct __sk_buff *skb, struct rt_packet *packet, struct rt_cursor *cursor)
{
	__u32 available = cursor->end - cursor->offset;
	__u8 bytes[4];
	__u16 word;
	__u32 size;

	switch (cursor->protocol) {
	case RT_IPPROTO_TCP:
		size = 20;
		break;
	case RT_IPPROTO_UDP:
	case RT_IPPROTO_UDPLITE:
	case RT_IPPROTO_ICMP:
		size = 8;
		break;
	case RT_IPPROTO_SCTP:
	case RT_IPPROTO_DCCP:
		size = 12;
		break;
	case RT_IPPROTO_ICMPV6:
		size = 4;
		break;
	default:
		return RT_PARSE_OK;
	}
	if (available < size || bpf_skb_load_bytes(skb, cursor->offset, bytes, sizeof(bytes)))
		return RT_PARSE_TRUNCATED;
	if (cursor->protocol == RT_IPPROTO_ICMP || cursor->protocol == RT_IPPROTO_ICMPV6) {
		packet->sport = bpf_htons(bytes[0]);
		packet->dport = bpf_htons(bytes[1]);
	} else {
		packet->sport = *(__u16 *)bytes;
		packet->dport = *(__u16 *)(bytes + 2);
	}
	if (cursor->protocol == RT_IPPROTO_TCP) {
		if (bpf_skb_load_bytes(skb, cursor->offset + 12, &word, 2))
			return RT_PARSE_TRUNCATED;
		word = bpf_ntohs(word);
		packet->flags = word & 0x1ff;
		size = (word >> 10) & 0x3c;
		if (size < 20)
			return RT_PARSE_MALFORMED;
		if (size > available)
			size = available; /* its options are cut short: whose it is stands before them */
	}
	cursor->offset += size;
	return RT_PARSE_OK;
}

/* Fills in segments and wire_bytes, now that the length of the headers is known which each segment repeats. */
RT_INLINE void rt_parse_gso(struct __sk_buff *skb, struct rt_packet *packet, __u32 headers)
{
	__u32 size = skb->gso_size;
	__u32 segments = skb->gso_segs;

	packet->gso_size = size;
	packet->payload = headers;
	if (!size)
		return;
	if (packet->protocol != RT_IPPROTO_TCP)
		packet->payload = headers = rt_tunnel_headers(skb, headers, packet->protocol, bpf_ntohs(packet->dport));
	/* a guest's or tun's packet comes without the number */
	if (!segments && packet->length > headers)
		segments = (packet->length - headers + size - 1) / size;
	if (segments > 1) {
		packet->segments = segments;
		packet->wire_bytes += (segments - 1) * (headers + rt_tag_bytes(skb));
	}
}

/* Remembers a first fragment's ports, or finds them for a later one. */
RT_INLINE void rt_parse_fragment(struct rt_packet *packet, const struct rt_cursor *cursor, __u32 egress)
{
	struct rt_fragment_key key = {
		.saddr = packet->saddr,
		.daddr = packet->daddr,
		.id = cursor->id,
		.ifindex = packet->ifindex,
		.egress = egress,
		.protocol = cursor->fragment_protocol,
	};
	if (cursor->later) {
		struct rt_fragment_value *known = bpf_map_lookup_elem(&rt_fragments, &key);
		packet->fragment = known ? RT_FRAGMENT_LATER : RT_FRAGMENT_UNKNOWN;
		if (known) {
			packet->sport = known->sport;
			packet->dport = known->dport;
			packet->protocol = known->protocol;
		}
	} else {
		struct rt_fragment_value value = {
			.sport = packet->sport,
			.dport = packet->dport,
			.protocol = cursor->protocol,
		};
		packet->fragment = RT_FRAGMENT_FIRST;
		bpf_map_update_elem(&rt_fragments, &key, &value, BPF_ANY);
	}
}

/*
 * Parses any packet into rt_tap_scratch. A global function, so that the verifier looks at it once and by itself; only
 * from 5.12 on could such a function be given the structure to fill.
 */
__noinline int rt_parse_any(struct __sk_buff *skb, __u32 egress)
{
	struct rt_packet *packet = rt_at(&rt_tap_scratch, 0);
	struct rt_cursor cursor = {};
	enum rt_parse_status status;
	__u32 type, seen_by;
	__u8 next;

	if (!packet)
		return 0;
	/* a handler may parse anew in the middle of a chain */
	next = packet->next;
	seen_by = packet->seen_by;
	__builtin_memset(packet, 0, sizeof(*packet));
	packet->next = next;
	packet->seen_by = seen_by;
	packet->length = skb->len;
	packet->wire_bytes = packet->length + rt_tag_bytes(skb);
	packet->segments = 1;
	packet->ifindex = skb->ifindex;
	packet->status = RT_PARSE_NOT_IP;

	type = rt_parse_link(skb, packet, &cursor.offset);
	packet->network = cursor.offset;
	if (type == RT_ETH_IPV4)
		status = rt_walk_ipv4(skb, packet, &cursor);
	else if (type == RT_ETH_IPV6)
		status = rt_walk_ipv6(skb, packet, &cursor);
	else
		return 0;
	packet->transport = cursor.offset;
	if (status == RT_PARSE_OK && !cursor.later)
		status = rt_walk_transport(skb, packet, &cursor);
	packet->status = status;
	if (status != RT_PARSE_OK)
		return 0;
	packet->family = type == RT_ETH_IPV4 ? 4 : 6;
	packet->protocol = cursor.protocol;
	rt_parse_gso(skb, packet, cursor.offset);
	if (cursor.fragmented)
		rt_parse_fragment(packet, &cursor, egress);
	packet->ports =
	    packet->fragment != RT_FRAGMENT_UNKNOWN && (packet->protocol == RT_IPPROTO_TCP || packet->protocol == RT_IPPROTO_UDP);
	return 0;
}

#endif
