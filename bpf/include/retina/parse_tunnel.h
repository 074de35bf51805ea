/* SPDX-License-Identifier: MIT */
/*
 * The headers of an encapsulated GSO packet. Flows are keyed by the outer header, but every segment on the wire repeats the
 * inner headers as well: to count its bytes they have to be measured. Included by parse_any.h.
 */
#ifndef RETINA_PARSE_TUNNEL_H
#define RETINA_PARSE_TUNNEL_H

#define RT_IPPROTO_IPIP 4
#define RT_IPPROTO_IPV6 41
#define RT_IPPROTO_GRE 47

#define RT_ETH_BRIDGED 0x6558 /* Ethernet in GRE or Geneve */

#define RT_PORT_VXLAN 4789
#define RT_PORT_VXLAN_LINUX 8472 /* Linux' own default, and Flannel's */
#define RT_PORT_GENEVE 6081

/* The Ethernet type of what is inside a UDP or GRE header that ends at *offset, or 0; *offset moves behind the tunnel's header. */
RT_INLINE __u32 rt_tunnel_inside(struct __sk_buff *skb, __u32 *offset, __u32 protocol, __u32 port)
{
	__u8 head[4];

	if (protocol == RT_IPPROTO_IPIP)
		return RT_ETH_IPV4;
	if (protocol == RT_IPPROTO_IPV6)
		return RT_ETH_IPV6;
	if (bpf_skb_load_bytes(skb, *offset, head, sizeof(head)))
		return 0;
	if (protocol == RT_IPPROTO_GRE) {
		/* checksum, key and sequence number are there when their bits are set */
		*offset += 4 + ((head[0] & 0x80) ? 4 : 0) + ((head[0] & 0x20) ? 4 : 0) + ((head[0] & 0x10) ? 4 : 0);
		return head[2] << 8 | head[3];
	}
	if (port == RT_PORT_VXLAN || port == RT_PORT_VXLAN_LINUX) {
		*offset += 8;
		return RT_ETH_BRIDGED;
	}
	if (port == RT_PORT_GENEVE) {
		*offset += 8 + (head[0] & 0x3f) * 4;
		return head[2] << 8 | head[3];
	}
	return 0;
}

/*
 * Bytes from the packet's start to the innermost payload, if the outer transport header ends at `offset`; `offset` where
 * this is no tunnel that is known. A global function: the verifier looks at it once.
 */
__noinline int rt_tunnel_headers(struct __sk_buff *skb, __u32 offset, __u32 protocol, __u32 port)
{
	__u32 outer = offset, inner;
	__be16 type = 0;
	__u8 byte = 0;
	__u32 ether;

	if (offset > 0xffff)
		return outer;
	ether = rt_tunnel_inside(skb, &offset, protocol, port);
	if (ether == RT_ETH_BRIDGED) {
		if (bpf_skb_load_bytes(skb, offset + 12, &type, 2))
			return outer;
		offset += RT_ETH_LENGTH;
		ether = bpf_ntohs(type);
		if (ether == RT_ETH_VLAN) {
			if (bpf_skb_load_bytes(skb, offset + 2, &type, 2))
				return outer;
			offset += 4;
			ether = bpf_ntohs(type);
		}
	}
	if (ether == RT_ETH_IPV4) {
		if (bpf_skb_load_bytes(skb, offset, &byte, 1))
			return outer;
		inner = offset + (byte & 15) * 4;
		if (bpf_skb_load_bytes(skb, offset + 9, &byte, 1))
			return outer;
	} else if (ether == RT_ETH_IPV6) {
		inner = offset + 40;
		if (bpf_skb_load_bytes(skb, offset + 6, &byte, 1))
			return outer;
	} else {
		return outer;
	}
	if (byte == RT_IPPROTO_UDP)
		return inner + 8;
	if (byte != RT_IPPROTO_TCP || bpf_skb_load_bytes(skb, inner + 12, &byte, 1))
		return inner;
	return inner + (byte >> 4) * 4;
}

#endif
