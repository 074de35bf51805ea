/* SPDX-License-Identifier: MIT */
/* Where a dropped packet was: its network namespace, interface and direction. */
#ifndef DROPREASON_CONTEXT_H
#define DROPREASON_CONTEXT_H

#include "packet.h"

#define AF_UNSPEC 0
#define AF_INET 2
#define AF_INET6 10
#define AF_PACKET 17
#define AF_XDP 44

#define PACKET_BROADCAST 1
#define PACKET_OTHERHOST 3
#define PACKET_OUTGOING 4

/* Inode numbers of namespaces lie above this; anything below was no namespace. */
#define LOWEST_NAMESPACE_INODE 0xefffff00u

RT_INLINE rt_netns drop_netns(struct net *net)
{
	rt_netns inode = 0;
	bpf_core_read(&inode, sizeof(inode), &net->ns.inum);
	return inode >= LOWEST_NAMESPACE_INODE ? inode : 0;
}

/*
 * The packet's device, told from what else lies in that place while a packet is in a socket's queue (a tree node,
 * sizes): a device is in a namespace. Returns its index, 0 if it is none, and sets `netns`.
 */
RT_INLINE rt_ifindex drop_device(struct net_device *device, rt_netns *netns)
{
	struct net *net = NULL;
	int ifindex = 0;

	if (!device || bpf_core_read(&net, sizeof(net), &device->nd_net.net) || !net)
		return 0;
	*netns = drop_netns(net);
	if (!*netns || bpf_core_read(&ifindex, sizeof(ifindex), &device->ifindex) || ifindex <= 0)
		return 0;
	return ifindex;
}

/*
 * Fills direction, interface and namespace. Ingress is what came from a device and was not yet on its way out by
 * another; egress is what this namespace sends, or forwards and had already chosen the way out for. False if it is no
 * packet of a network at all, but a message of a local or netlink socket.
 */
RT_INLINE bool drop_read_context(struct sk_buff *skb, struct sock *receiver, const bool typed, struct drop_flow_key *key)
{
	unsigned long route = DROP_GET(typed, skb, _skb_refdst);
	rt_ifindex from = DROP_GET(typed, skb, skb_iif);
	struct sock *sender = DROP_GET(typed, skb, sk);
	struct sock *sk = receiver ? receiver : sender;
	rt_netns device_netns = 0;
	rt_ifindex device = drop_device(DROP_GET(typed, skb, dev), &device_netns);
	__u8 type;

	if (typed)
		type = BPF_CORE_READ_BITFIELD(skb, pkt_type);
	else
		type = BPF_CORE_READ_BITFIELD_PROBED(skb, pkt_type);
	if (type >= PACKET_BROADCAST && type <= PACKET_OTHERHOST)
		key->marks |= DROP_GROUP;

	if (sk) {
		__u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);
		if (family != AF_INET && family != AF_INET6 && family != AF_PACKET && family != AF_XDP && family != AF_UNSPEC)
			return false;
		key->netns = drop_netns(BPF_CORE_READ(sk, __sk_common.skc_net.net));
	}
	if (!key->netns)
		key->netns = device_netns;
	if (!key->netns && (route & ~1ul)) {
		struct net_device *way = BPF_CORE_READ((struct dst_entry *)(route & ~1ul), dev);
		drop_device(way, &key->netns);
	}
	if (!key->netns) {
		if (!DROP_GET(typed, skb, protocol)) /* an answer of netlink's, say, that was never sent */
			return false;
		key->marks |= DROP_DETACHED;
	}

	if (receiver)
		key->direction = DROP_INGRESS;
	else if (from)
		key->direction = device && device != from ? DROP_EGRESS : DROP_INGRESS;
	else if (sender || type == PACKET_OUTGOING || (route & ~1ul))
		key->direction = DROP_EGRESS;
	key->ifindex = key->direction == DROP_INGRESS && from ? from : device;
	return true;
}

#endif
