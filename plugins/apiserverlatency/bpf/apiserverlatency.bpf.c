/* SPDX-License-Identifier: MIT */
/* How long the API server takes to acknowledge what this node sends, seen at the uplinks. */
#include "connections.h"
#include "servers.h"

char LICENSE[] SEC("license") = "Dual MIT/GPL";

/* Bytes behind the headers. A frame may be padded: the IP header knows, but of a GSO packet. */
RT_INLINE __u32 api_payload(struct __sk_buff *skb, const struct rt_packet *packet)
{
	__u32 end = packet->length;
	__be16 length = 0;

	if (!packet->gso_size &&
	    !bpf_skb_load_bytes(skb, packet->network + (packet->family == 4 ? 2 : 4), &length, sizeof(length)) && length) {
		__u32 stated = packet->network + (packet->family == 4 ? 0 : 40) + bpf_ntohs(length);
		if (stated < end)
			end = stated;
	}
	return end > packet->payload ? end - packet->payload : 0;
}

RT_INLINE void api_segment(struct __sk_buff *skb, const struct rt_packet *packet, const __u32 egress)
{
	const union rt_ip *client = egress ? &packet->saddr : &packet->daddr;
	const union rt_ip *server = egress ? &packet->daddr : &packet->saddr;
	struct api_segment segment = { .flags = packet->flags };
	struct api_key key = {};
	__be32 numbers[2];

	if (!rt_is_uplink(packet->ifindex) || !server_is(server, egress ? packet->dport : packet->sport))
		return;
	if (bpf_skb_load_bytes(skb, packet->transport + 4, numbers, sizeof(numbers)))
		return;
	segment.seq = bpf_ntohl(numbers[0]);
	segment.ack = bpf_ntohl(numbers[1]);
	segment.now = bpf_ktime_get_ns();
	key.client.pair[0] = client->pair[0];
	key.client.pair[1] = client->pair[1];
	key.server.pair[0] = server->pair[0];
	key.server.pair[1] = server->pair[1];
	key.client_port = egress ? packet->sport : packet->dport;
	key.server_port = egress ? packet->dport : packet->sport;
	if (!egress) {
		api_answer(&key, &segment);
		return;
	}
	segment.payload = api_payload(skb, packet);
	segment.first = packet->gso_size && packet->gso_size < segment.payload ? packet->gso_size : segment.payload;
	api_request(&key, &segment);
}

RT_INLINE void api_packet(struct __sk_buff *skb, const struct rt_packet *packet, const __u32 egress)
{
	if (packet->protocol != RT_IPPROTO_TCP || !packet->ports || packet->fragment > RT_FRAGMENT_FIRST)
		return;
	if (RT_UNLIKELY(egress ? server_maybe(&packet->daddr, packet->dport) : server_maybe(&packet->saddr, packet->sport)))
		api_segment(skb, packet, egress);
}

RT_TAP(apiserverlatency, api_packet)
