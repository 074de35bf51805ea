/* SPDX-License-Identifier: MIT */
/*
 * The tap chain. RT_TAP(name, handler) makes six programs of one handler:
 *
 *   name_ingress         name_egress          alone on the hook: parse, handle
 *   name_ingress_head    name_egress_head     first of several: parse, leave the result in rt_tap_scratch, handle, tail-call slot 0
 *   name_ingress_member  name_egress_member   behind another: take the parsed packet from the scratch, handle, tail-call the next slot
 *
 *   static __always_inline void handler(struct __sk_buff *skb, const struct rt_packet *packet, const __u32 egress);
 *
 * The host attaches one program per hook, and puts the members into rt_tap_chain_ingress and rt_tap_chain_egress, which
 * all objects share. A program may stand in the chain more than once while that changes, as head too: it handles a packet
 * once, and passes it on. Every program is loaded with expected_attach_type 0 (SEC "tc"), so that one array serves tcx and clsact.
 * Every program returns TC_ACT_UNSPEC (-1 == TCX_NEXT): what other owners put on the hook goes on.
 *
 * The handler sees every packet: packet->status says whether it could be parsed (packet.h). It must not change the packet.
 * The parser's slow path is a subprogram; kernels let those mix with tail calls from 5.10 on x86 and 6.0 on arm64. On older
 * arm64 kernels only the programs that stand alone load.
 */
#ifndef RETINA_TAP_H
#define RETINA_TAP_H

#include "compat.h"
#include "config.h"
#include "parse.h"

#define RT_TAP_CHAIN_LENGTH 8
#define RT_TAP_MAX_UPLINKS 16

struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, RT_TAP_CHAIN_LENGTH);
	__type(key, __u32);
	__type(value, __u32);
} rt_tap_chain_ingress SEC(".maps"), rt_tap_chain_egress SEC(".maps");

RT_CONFIG(__u32, rt_tap_bit, "Set by the host: a bit that no other object in the chain has") = 0;

struct rt_tap_uplinks {
	rt_ifindex ifindex[RT_TAP_MAX_UPLINKS]; /* dense; 0 ends the list */
};

/* Written by the host: interfaces that lead off this node. */
RT_SHARED(rt_tap_uplinks, struct rt_tap_uplinks, 1);

/* Whether the interface is an uplink. */
RT_INLINE bool rt_is_uplink(rt_ifindex ifindex)
{
	struct rt_tap_uplinks *uplinks = rt_at(&rt_tap_uplinks, 0);
	if (!uplinks)
		return false;
#pragma unroll
	for (int i = 0; i < RT_TAP_MAX_UPLINKS; i++) {
		rt_ifindex uplink = RT_READ_ONCE(uplinks->ifindex[i]);
		if (uplink == ifindex)
			return true;
		if (!uplink)
			return false;
	}
	return false;
}

/* One copy of `work` behind each way to parse, so that the compiler folds in what is known there. */
#define RT_TAP_PARSED(skb, egress, state, work) \
	do { \
		struct rt_packet rt_parsed; \
		if (RT_LIKELY(rt_parse_ipv4(skb, &rt_parsed))) { \
			work(skb, &rt_parsed, egress, state); \
		} else if (rt_parse_ipv6(skb, &rt_parsed)) { \
			work(skb, &rt_parsed, egress, state); \
		} else { \
			struct rt_packet *rt_scratch; \
			rt_parse_any(skb, egress); \
			rt_scratch = rt_at(&rt_tap_scratch, 0); \
			if (rt_scratch) \
				work(skb, rt_scratch, egress, state); \
		} \
	} while (0)

/* What the head of a chain leaves for the members. */
RT_INLINE void rt_tap_publish(const struct rt_packet *packet)
{
	struct rt_packet *scratch = rt_at(&rt_tap_scratch, 0);
	if (!scratch)
		return;
	if (scratch != packet)
		rt_packet_copy(scratch, packet);
	scratch->next = 1;
	scratch->seen_by = rt_tap_bit;
}

#define RT_TAP_HOOK(name, hook, egress, state_type, prepare, handler) \
	RT_INLINE void name##_##hook##_first(struct __sk_buff *skb, const struct rt_packet *packet, const __u32 which, \
					     const state_type *state) \
	{ \
		rt_tap_publish(packet); \
		handler(skb, packet, which, state); \
	} \
	SEC("tc") \
	int name##_##hook(struct __sk_buff *skb) \
	{ \
		const state_type state = prepare(); \
		RT_TAP_PARSED(skb, egress, &state, handler); \
		return RT_NEXT; \
	} \
	SEC("tc") \
	int name##_##hook##_head(struct __sk_buff *skb) \
	{ \
		const state_type state = prepare(); \
		RT_TAP_PARSED(skb, egress, &state, name##_##hook##_first); \
		bpf_tail_call_static(skb, &rt_tap_chain_##hook, 0); \
		return RT_NEXT; \
	} \
	SEC("tc") \
	int name##_##hook##_member(struct __sk_buff *skb) \
	{ \
		struct rt_packet *packet = rt_at(&rt_tap_scratch, 0); \
		const state_type state = prepare(); \
		if (!packet) \
			return RT_NEXT; \
		if (RT_LIKELY(!(packet->seen_by & rt_tap_bit))) { \
			packet->seen_by |= rt_tap_bit; \
			handler(skb, packet, egress, &state); \
		} \
		bpf_tail_call(skb, &rt_tap_chain_##hook, packet->next++); \
		return RT_NEXT; \
	}

/*
 * The same for a handler with something to get ready before the packet is read: prepare() returns a state_type, by value,
 * and the handler is given it. Helpers called there cost less, as nothing of the packet has to be kept across the calls.
 */
#define RT_TAP_PREPARED(name, state_type, prepare, handler) \
	RT_TAP_HOOK(name, ingress, 0, state_type, prepare, handler) \
	RT_TAP_HOOK(name, egress, 1, state_type, prepare, handler)

struct rt_tap_nothing {
	__u8 unused;
};

RT_INLINE struct rt_tap_nothing rt_tap_prepare_nothing(void)
{
	return (struct rt_tap_nothing){};
}

#define RT_TAP(name, handler) \
	RT_INLINE void name##_handle(struct __sk_buff *skb, const struct rt_packet *packet, const __u32 egress, \
				     const struct rt_tap_nothing *state) \
	{ \
		handler(skb, packet, egress); \
	} \
	RT_TAP_PREPARED(name, struct rt_tap_nothing, rt_tap_prepare_nothing, name##_handle)

#endif
