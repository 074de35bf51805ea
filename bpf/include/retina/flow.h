/* SPDX-License-Identifier: MIT */
/*
 * Flows, from the tap's side: rt_flow_add() adds one parsed packet to the flow ring (flow_ring.h has the layout and the
 * reader's part). Per CPU a small index finds the record a flow got lately; it is only a hint, the key decides. No record,
 * no room, no memory: the packet goes to the ring, else to the spill, else to the overflow, else to a total. Never nowhere.
 *
 * Increments are plain: two taps never run at once on one CPU. Where that may not hold (PREEMPT_RT) load with
 * rt_ring_cpus = 0: everything goes to the spill, which adds atomically.
 */
#ifndef RETINA_FLOW_H
#define RETINA_FLOW_H

#include "flow_tables.h"
#include "parse.h"

/*
 * Multilinear: the products are independent of each other, so that the CPU works on all of them at once. Its upper bits
 * count, so the factors are odd and as wide as the words: the lowest bit of a word (of a port) must reach them.
 */
RT_INLINE __u64 rt_flow_hash(const struct rt_flow_words *words, const bool wide, __u64 seed)
{
	__u64 hash = (words->key[0] ^ seed) * 0x9e3779b97f4a7c15ull +
		     (words->key[1] ^ ((__u64)words->flags << 32)) * 0xc2b2ae3d27d4eb4full;
	if (wide)
		hash += words->address[0] * 0xd6e8feb86659fd93ull + words->address[1] * 0xa0761d6478bd642full +
			words->address[2] * 0xe7037ed1a0b428dbull + words->address[3] * 0x8ebc6af09c88c6e3ull;
	return hash;
}

/* A count about to overflow into its neighbours makes a new record: a reader may be gone for long. */
#define RT_COUNT_FULL 0x80000000u

/* This CPU's part of the ring. */
struct rt_flow_here {
	struct rt_ring_cpu *own;
	__u64 stamp;
	__u32 cpu;
};

RT_INLINE struct rt_flow_here rt_flow_prepare(void)
{
	__u32 cpu = bpf_get_smp_processor_id();
	return (struct rt_flow_here){
		.cpu = cpu,
		.own = rt_at(&rt_ring_cpu, cpu),
		.stamp = bpf_jiffies64(),
	};
}

/* Where the units of this CPU's region lie. */
struct rt_flow_region {
	__u32 mask;
	__u32 base;
	__u64 seed;
};

RT_INLINE struct rt_unit_pair *rt_flow_pair(const struct rt_flow_region *region, __u32 position)
{
	return rt_at(&rt_ring, (region->base + (position & region->mask)) >> 1);
}

RT_INLINE struct rt_unit *rt_flow_unit(const struct rt_flow_region *region, __u32 position)
{
	struct rt_unit_pair *pair = rt_flow_pair(region, position);
	return pair ? &pair->unit[position & 1] : NULL;
}

/* Adds to the ring. False: no room. */
RT_INLINE bool rt_flow_ring(const struct rt_flow_here *here, const struct rt_flow_region *region,
			    const struct rt_flow_words *words, const bool wide, __u32 packets, __u32 bytes)
{
	struct rt_ring_cpu *own = here->own;
	struct rt_ring_head *line = &own->head;
	__u64 hash = rt_flow_hash(words, wide, region->seed);
	__u32 *slot = &own->slot[hash >> 52];
	__u32 tag = (__u32)(hash >> 20) & ~RT_INDEX_POSITION;
	__u32 head = line->head, position = *slot, seal, used;
	struct rt_unit_pair *pair;
	struct rt_unit *addresses;
	struct rt_unit *unit;

	if ((position ^ tag) > RT_INDEX_POSITION)
		goto append;
	seal = RT_READ_ONCE(line->seal);
	if (((position - seal) & RT_INDEX_POSITION) >= head - seal)
		goto append;
	pair = rt_flow_pair(region, position);
	if (!pair)
		goto append;
	unit = wide ? &pair->unit[0] : &pair->unit[position & 1];
	RT_HIDE(unit);
	/* no narrow record lies in a wide one: what looks like it is an address */
	if (!wide && (pair->unit[0].key[1] & ((__u64)RT_META_WIDE << 32)))
		goto append;
	if (unit->key[0] != words->key[0] || unit->key[1] != words->key[1] || unit->flags != words->flags ||
	    unit->packets >= RT_COUNT_FULL)
		goto append;
	if (wide) {
		addresses = &unit[1];
		if (addresses->key[0] != words->address[0] || addresses->key[1] != words->address[1] ||
		    addresses->packets_word != words->address[2] || addresses->bytes_word != words->address[3])
			goto append;
	}
	unit->packets += packets;
	unit->last = here->stamp;
	unit->bytes_word += bytes;
	return true;

append:
	used = head - RT_READ_ONCE(line->tail);
	if (wide) {
		if (RT_UNLIKELY(used + 2 > region->mask)) /* one unit may be padding */
			return false;
		if (head & 1) {
			pair = rt_flow_pair(region, head);
			if (!pair)
				return false;
			pair->unit[1].key[1] = 0; /* meta == 0: padding */
			head++;
			rt_flow_wake(++used, region->mask, here->cpu);
		}
		pair = rt_flow_pair(region, head);
		if (!pair)
			return false;
		unit = &pair->unit[0];
		addresses = &pair->unit[1];
		addresses->key[0] = words->address[0];
		addresses->key[1] = words->address[1];
		addresses->packets_word = words->address[2];
		addresses->bytes_word = words->address[3];
	} else {
		if (RT_UNLIKELY(used > region->mask))
			return false;
		unit = rt_flow_unit(region, head);
		if (!unit)
			return false;
	}
	unit->key[0] = words->key[0];
	unit->key[1] = words->key[1];
	unit->packets_word =
	    ((__u64)words->flags << RT_COUNT_FLAGS_SHIFT) | ((__u64)(__u16)here->stamp << RT_COUNT_LAST_SHIFT) | packets;
	unit->bytes_word = (here->stamp << RT_COUNT_FIRST_SHIFT) | bytes;
	*slot = tag | (head & RT_INDEX_POSITION);
	RT_WRITE_ONCE(line->head, head + (wide ? 2 : 1));
	rt_flow_wake(used, region->mask, here->cpu);
	return true;
}

RT_INLINE __u32 rt_flow_meta(const struct rt_packet *packet, __u32 egress)
{
	return ((__u32)packet->protocol << RT_META_PROTOCOL_SHIFT) | (egress ? RT_META_EGRESS : 0);
}

RT_INLINE __u32 rt_flow_kind(const struct rt_packet *packet)
{
	return (packet->family == 6 ? RT_WIDE_IPV6 : 0) | (packet->fragment == RT_FRAGMENT_UNKNOWN ? RT_WIDE_FRAGMENT : 0);
}

/* Whether one unit can say it. */
RT_INLINE bool rt_flow_is_narrow(const struct rt_packet *packet)
{
	return packet->family == 4 && packet->ports && packet->ifindex <= RT_META_IFINDEX_MASK;
}

RT_INLINE bool rt_flow_narrow(const struct rt_flow_here *here, const struct rt_flow_region *region, struct rt_flow_words *words,
			      const struct rt_packet *packet, __u32 egress, __u32 flags, __u32 packets, __u32 bytes)
{
	words->key[0] = packet->saddr.word[3] | ((__u64)packet->daddr.word[3] << 32);
	words->key[1] =
	    packet->sport | ((__u32)packet->dport << 16) | ((__u64)(rt_flow_meta(packet, egress) | packet->ifindex) << 32);
	words->flags = flags;
	return rt_flow_ring(here, region, words, false, packets, bytes);
}

RT_INLINE bool rt_flow_wide(const struct rt_flow_here *here, const struct rt_flow_region *region, struct rt_flow_words *words,
			    const struct rt_packet *packet, __u32 egress, __u32 flags, __u32 packets, __u32 bytes)
{
	words->key[0] = packet->ifindex | ((__u64)packet->sport << 32) | ((__u64)packet->dport << 48);
	words->key[1] = rt_flow_kind(packet) | ((__u64)(rt_flow_meta(packet, egress) | RT_META_WIDE) << 32);
	words->address[0] = packet->saddr.pair[0];
	words->address[1] = packet->saddr.pair[1];
	words->address[2] = packet->daddr.pair[0];
	words->address[3] = packet->daddr.pair[1];
	words->flags = flags;
	return rt_flow_ring(here, region, words, true, packets, bytes);
}

/* Fills in what the fast path reads, once this CPU's first packet has come by here. */
RT_INLINE void rt_flow_settle(struct rt_ring_cpu *own, const struct rt_flow_region *region)
{
	if (rt_sampling > 1 || own->mask)
		return;
	own->seed = region->seed;
	own->base = region->base;
	own->mask = region->mask;
}

/* One record of the packet in rt_tap_scratch: of any kind, in the ring or beyond it. */
static __noinline int rt_flow_record(__u32 egress, __u32 flags, __u32 packets, __u32 bytes)
{
	struct rt_flow_scratch *scratch = rt_at(&rt_flow_scratch, 0);
	const struct rt_packet *packet = rt_at(&rt_tap_scratch, 0);
	const struct rt_flow_here here = rt_flow_prepare();
	const struct rt_flow_region region = {
		.mask = rt_ring_units - 1,
		.base = here.cpu * rt_ring_units,
		.seed = rt_hash_seed,
	};
	struct rt_flow_addition *addition;

	if (!scratch || !packet)
		return 0;
	if (here.own && here.cpu < rt_ring_cpus) {
		rt_flow_settle(here.own, &region);
		if (rt_flow_is_narrow(packet)
			? rt_flow_narrow(&here, &region, &scratch->words, packet, egress, flags, packets, bytes)
			: rt_flow_wide(&here, &region, &scratch->words, packet, egress, flags, packets, bytes))
			return 0;
	}
	addition = &scratch->addition;
	__builtin_memcpy(addition->key.saddr, packet->saddr.bytes, 16);
	__builtin_memcpy(addition->key.daddr, packet->daddr.bytes, 16);
	addition->key.ifindex = packet->ifindex;
	addition->key.sport = packet->sport;
	addition->key.dport = packet->dport;
	addition->key.kind = rt_flow_kind(packet);
	addition->key.tcp_flags = flags;
	addition->key.protocol = packet->protocol;
	addition->key.egress = egress;
	addition->packets = packets;
	addition->stamp = here.stamp & 0xffff;
	addition->bytes = bytes;
	return rt_flow_spill(addition);
}

/* Of a GSO packet with one of these flags, one segment on the wire carries them (the last, or with CWR the first). */
#define RT_TCP_ONE_SEGMENT (RT_TCP_FIN | RT_TCP_PSH | RT_TCP_CWR)

/*
 * Whatever the fast path cannot do: other kinds of record, a second record, no room, sampling. Takes the packet from
 * rt_tap_scratch; one that the fast paths parsed is parsed again, so that those need not keep what only this needs.
 */
static __noinline int rt_flow_add_slowly(struct __sk_buff *skb, __u32 egress, __u32 again)
{
	const struct rt_packet *packet;
	__u32 packets, bytes, flags;

	if (again)
		rt_parse_any(skb, egress);
	packet = rt_at(&rt_tap_scratch, 0);
	if (!packet)
		return 0;
	packets = packet->segments;
	bytes = packet->wire_bytes;
	flags = packet->flags;
	if (packet->status != RT_PARSE_OK) {
		_Static_assert(RT_PARSE_HEADER_CHAIN - RT_PARSE_NOT_IP == (int)RT_TOTAL_HEADER_CHAIN - (int)RT_TOTAL_NOT_IP,
			       "totals in the order of the parser's reasons");
		rt_flow_count_total(packet->status - RT_PARSE_NOT_IP + RT_TOTAL_NOT_IP, packets, bytes);
		return 0;
	}
	if (rt_sampling > 1 && bpf_get_prandom_u32() % rt_sampling) {
		rt_flow_count_total(RT_TOTAL_SAMPLED_OUT, packets, bytes);
		return 0;
	}
	if (packets > 1 && (flags & RT_TCP_ONE_SEGMENT)) {
		__u32 others = (packets - 1) * (packet->gso_size + (__u32)packet->payload);
		__u32 last = bytes > others ? bytes - others : packet->payload;
		rt_flow_record(egress, flags, 1, last);
		packets -= 1;
		bytes -= last;
		flags &= ~RT_TCP_ONE_SEGMENT;
	}
	return rt_flow_record(egress, flags, packets, bytes);
}

/* The part of the handler that nearly every packet takes. False: the packet is not counted yet. */
RT_INLINE bool rt_flow_add_quickly(const struct rt_packet *packet, const __u32 egress, const struct rt_flow_here *here)
{
	struct rt_flow_region region;
	struct rt_flow_words words;

	if (RT_UNLIKELY(!here->own))
		return false;
	region.mask = here->own->mask;
	region.base = here->own->base;
	region.seed = here->own->seed;
	if (RT_UNLIKELY(!region.mask))
		return false;
	if (packet->family == 6)
		return rt_flow_wide(here, &region, &words, packet, egress, packet->flags, 1, packet->wire_bytes);
	if (RT_UNLIKELY(packet->ifindex > RT_META_IFINDEX_MASK))
		return false;
	return rt_flow_narrow(here, &region, &words, packet, egress, packet->flags, 1, packet->wire_bytes);
}

/* A tap handler: adds the packet to its flow, or to the total that says why it has none. */
RT_INLINE void rt_flow_add(struct __sk_buff *skb, const struct rt_packet *packet, const __u32 egress,
			   const struct rt_flow_here *here)
{
	if (packet->quick && RT_LIKELY(rt_flow_add_quickly(packet, egress, here)))
		return;
	rt_flow_add_slowly(skb, egress, packet->quick);
}

/* Run once by the loader: a pair of clock readings that turns jiffies stamps into time, and the sampling rate. */
SEC("socket")
int rt_clock(struct __sk_buff *skb)
{
	struct rt_flow_control *control = rt_at(&rt_control, 0);
	if (control) {
		control->sampling = rt_sampling;
		control->clock_jiffies = bpf_jiffies64();
		control->clock_boot_ns = bpf_ktime_get_boot_ns();
	}
	return 0;
}

#endif
