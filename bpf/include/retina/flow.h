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

#include "compat.h"
#include "config.h"
#include "maps.h"
#include "packet.h"
#include "parse.h"

#include "flow_ring.h"

RT_CONFIG(__u32, rt_ring_units, "Units of 32 bytes per CPU in the record ring, a power of two") = 65536;
RT_CONFIG(__u32, rt_ring_cpus, "CPUs with a region in the record ring; 0 counts everything in the spill") = 1;
RT_CONFIG(__u32, rt_sampling, "Look at one packet in this many; 0 and 1: at every packet");
RT_CONFIG(__u64, rt_hash_seed, "Random number: nobody outside can tell which flows share a slot of the index");

#define RT_INDEX_SLOTS 4096

/* A slot's position says where the record begins, unambiguous for 2^32 units; its tag spares the look at most wrong ones. */
struct rt_flow_index {
	__u32 position[RT_INDEX_SLOTS];
	__u8 tag[RT_INDEX_SLOTS];
};

/* A unit of the ring as words: two of key, two of counts; or, in a wide record's second unit, the addresses. */
struct rt_unit {
	__u64 key[2];
	__u64 packets_word;
	__u64 bytes_word;
};

union rt_wide_addresses {
	struct rt_unit unit;
	__u64 word[4];
};

_Static_assert(sizeof(struct rt_unit) == RT_UNIT_BYTES && sizeof(struct rt_narrow) == RT_UNIT_BYTES, "one unit");
_Static_assert(sizeof(struct rt_wide) == 2 * RT_UNIT_BYTES, "two units");

RT_SHARED(rt_ring, struct rt_unit, 65536);
RT_SHARED(rt_ring_head, struct rt_ring_head, 1);
RT_SCRATCH(rt_index, struct rt_flow_index);
RT_SHARED(rt_control, struct rt_flow_control, 1);
RT_COUNTERS(rt_flow_totals, struct rt_flow_total, RT_TOTAL_COUNT);

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct rt_spill_key);
	__type(value, struct rt_spill_value);
} rt_spill_0 SEC(".maps"), rt_spill_1 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct rt_overflow_key);
	__type(value, struct rt_overflow_value);
} rt_overflow SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} rt_wake SEC(".maps");

/* The reader's barrier: updating an array of maps waits for the programs that run. Its one slot takes any array of a u32. */
struct rt_barrier_inner {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} rt_barrier_inner SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct rt_barrier_inner);
} rt_barrier SEC(".maps") = { .values = { &rt_barrier_inner } };

/* One addition to one flow. The key is the spill's, which every record can be made of. */
struct rt_flow_addition {
	struct rt_spill_key key;
	__u32 packets;
	__u32 stamp;
	__u64 bytes;
};

/* The words of a record that never change: key and addresses, the latter zero in a narrow one. Flags are key as well. */
struct rt_flow_words {
	__u64 key[2];
	__u64 address[4];
	__u64 flags; /* already shifted */
	bool wide;
};

/* What the rare paths are given: the stack is too small for it. */
struct rt_flow_scratch {
	struct rt_packet packet;
	struct rt_flow_words words;
	struct rt_flow_addition addition;
};

RT_SCRATCH(rt_flow_scratch, struct rt_flow_scratch);

RT_INLINE void rt_flow_count_total(enum rt_flow_total_id id, __u64 packets, __u64 bytes)
{
	struct rt_flow_total *total = rt_at(&rt_flow_totals, id);
	if (total) {
		total->packets += packets;
		total->bytes += bytes;
	}
}

static __noinline int rt_flow_overflow(const struct rt_flow_addition *addition)
{
	struct rt_overflow_key key = { .ifindex = addition->key.ifindex, .egress = addition->key.egress };
	struct rt_overflow_value *value = bpf_map_lookup_elem(&rt_overflow, &key);
	if (!value) {
		struct rt_overflow_value zero = {};
		bpf_map_update_elem(&rt_overflow, &key, &zero, BPF_NOEXIST);
		value = bpf_map_lookup_elem(&rt_overflow, &key);
	}
	if (value) {
		value->packets += addition->packets;
		value->bytes += addition->bytes;
	} else {
		rt_flow_count_total(RT_TOTAL_OVERFLOW, addition->packets, addition->bytes);
	}
	return 0;
}

/* Adds where every CPU may add at once. */
static __noinline int rt_flow_spill(const struct rt_flow_addition *addition)
{
	struct rt_flow_control *control = rt_at(&rt_control, 0);
	struct rt_spill_value *value;
	struct rt_ring_head *line;
	void *half;

	if (!control)
		return 0;
	half = (RT_READ_ONCE(control->spill_generation) & 1) ? (void *)&rt_spill_1 : (void *)&rt_spill_0;
	value = bpf_map_lookup_elem(half, &addition->key);
	if (!value) {
		struct rt_spill_value zero = { .first = addition->stamp };
		bpf_map_update_elem(half, &addition->key, &zero, BPF_NOEXIST);
		value = bpf_map_lookup_elem(half, &addition->key);
		if (!value)
			return rt_flow_overflow(addition);
	}
	__sync_fetch_and_add(&value->packets, addition->packets);
	__sync_fetch_and_add(&value->bytes, addition->bytes);
	value->last = addition->stamp;
	/* the reader drains the spill only when one of these moved; a CPU without a line of its own uses the first */
	line = rt_at(&rt_ring_head, bpf_get_smp_processor_id());
	if (!line)
		line = rt_at(&rt_ring_head, 0);
	if (line)
		__sync_fetch_and_add(&line->spilled, addition->packets);
	return 0;
}

/* Wakes the reader as a region passes half: a record of two units can jump over one position, never over both. */
RT_INLINE void rt_flow_wake(__u32 used, __u32 cpu)
{
	if (RT_UNLIKELY((used | 1) == rt_ring_units / 2 - 1))
		bpf_ringbuf_output(&rt_wake, &cpu, sizeof(cpu), BPF_RB_FORCE_WAKEUP);
}

RT_INLINE __u64 rt_flow_hash(const struct rt_flow_words *words)
{
	__u64 hash = (words->key[0] ^ rt_hash_seed) * 0x9e3779b97f4a7c15ull;
	if (words->wide) {
		hash = (hash ^ words->address[0] ^ (hash >> 32)) * 0xbf58476d1ce4e5b9ull;
		hash = (hash ^ words->address[1] ^ (hash >> 29)) * 0x94d049bb133111ebull;
		hash = (hash ^ words->address[2] ^ (hash >> 32)) * 0xd6e8feb86659fd93ull;
		hash = (hash ^ words->address[3] ^ (hash >> 29)) * 0x9e3779b97f4a7c15ull;
	}
	return (hash ^ (hash >> 32) ^ words->key[1] ^ (words->flags >> 20)) * 0xff51afd7ed558ccdull;
}

/* A count about to overflow into its neighbours makes a new record: a reader may be gone for long. */
#define RT_COUNT_FULL 0x80000000ull
#define RT_COUNT_FLAGS_MASK (0x1ffull << RT_COUNT_FLAGS_SHIFT)
#define RT_COUNT_LAST_MASK (0xffffull << RT_COUNT_LAST_SHIFT)

/* Adds to the ring. False: no room, or no region for this CPU. */
RT_INLINE bool rt_flow_ring(const struct rt_flow_words *words, __u64 stamp, __u64 packets, __u64 bytes)
{
	const __u32 units = rt_ring_units;
	__u32 cpu = bpf_get_smp_processor_id();
	struct rt_ring_head *line;
	struct rt_flow_index *index;
	union rt_wide_addresses *addresses;
	struct rt_unit *unit;
	__u32 head, position, base, slot, used;
	__u64 hash;
	__u8 tag;

	if (cpu >= rt_ring_cpus)
		return false;
	line = rt_at(&rt_ring_head, cpu);
	index = rt_at(&rt_index, 0);
	if (!line || !index)
		return false;
	base = cpu * units;
	hash = rt_flow_hash(words);
	slot = hash >> 52;
	tag = hash >> 44;
	head = line->head;

	if (index->tag[slot] == tag) {
		position = index->position[slot];
		if (head - position - 1 < head - RT_READ_ONCE(line->seal)) {
			unit = rt_at(&rt_ring, base + (position & (units - 1)));
			if (unit && unit->key[0] == words->key[0] && unit->key[1] == words->key[1] &&
			    !((unit->packets_word ^ words->flags) & (RT_COUNT_FLAGS_MASK | RT_COUNT_FULL))) {
				if (words->wide) {
					addresses = rt_at(&rt_ring, base + ((position + 1) & (units - 1)));
					if (!addresses || addresses->word[0] != words->address[0] ||
					    addresses->word[1] != words->address[1] || addresses->word[2] != words->address[2] ||
					    addresses->word[3] != words->address[3])
						goto append;
				}
				unit->packets_word =
					((unit->packets_word + packets) & ~RT_COUNT_LAST_MASK) | (stamp << RT_COUNT_LAST_SHIFT);
				unit->bytes_word += bytes;
				return true;
			}
		}
	}
append:
	used = head - RT_READ_ONCE(line->tail);
	if (words->wide) {
		if (RT_UNLIKELY(used + 2 >= units)) /* one unit may be padding */
			return false;
		if (RT_UNLIKELY((head & (units - 1)) == units - 1)) {
			unit = rt_at(&rt_ring, base + (head & (units - 1)));
			if (!unit)
				return false;
			unit->key[1] = 0; /* meta == 0: padding */
			head++;
			rt_flow_wake(++used, cpu);
		}
		addresses = rt_at(&rt_ring, base + ((head + 1) & (units - 1)));
		if (!addresses)
			return false;
		addresses->word[0] = words->address[0];
		addresses->word[1] = words->address[1];
		addresses->word[2] = words->address[2];
		addresses->word[3] = words->address[3];
	} else if (RT_UNLIKELY(used >= units)) {
		return false;
	}
	unit = rt_at(&rt_ring, base + (head & (units - 1)));
	if (!unit)
		return false;
	unit->key[0] = words->key[0];
	unit->key[1] = words->key[1];
	unit->packets_word = words->flags | (stamp << RT_COUNT_LAST_SHIFT) | packets;
	unit->bytes_word = (stamp << RT_COUNT_FIRST_SHIFT) | bytes;
	index->tag[slot] = tag;
	index->position[slot] = head;
	RT_WRITE_ONCE(line->head, head + 1 + words->wide);
	rt_flow_wake(used, cpu);
	return true;
}

/* Adds `packets` of `bytes` together to the flow of the packet, as far as it carries these TCP flags. `words` is room to work in. */
RT_INLINE void rt_flow_record(struct rt_flow_words *words, const struct rt_packet *packet, __u32 egress, __u32 flags,
			      __u32 packets, __u64 bytes)
{
	const bool unknown = packet->fragment == RT_FRAGMENT_UNKNOWN;
	__u32 meta = ((__u32)packet->protocol << RT_META_PROTOCOL_SHIFT) | (egress ? RT_META_EGRESS : 0);
	__u64 ports = packet->sport | ((__u32)packet->dport << 16);
	__u64 stamp = bpf_jiffies64() & 0xffff;
	struct rt_flow_scratch *scratch;
	struct rt_flow_addition *addition;

	words->flags = (__u64)flags << RT_COUNT_FLAGS_SHIFT;
	words->wide = packet->family != 4 || unknown || packet->ifindex > RT_META_IFINDEX_MASK ||
		     (packet->protocol != RT_IPPROTO_TCP && packet->protocol != RT_IPPROTO_UDP);
	if (words->wide) {
		__u64 kind = (packet->family == 6 ? RT_WIDE_IPV6 : 0) | (unknown ? RT_WIDE_FRAGMENT : 0);
		words->key[0] = packet->ifindex | (ports << 32);
		words->key[1] = kind | ((__u64)(meta | RT_META_WIDE) << 32);
		words->address[0] = packet->saddr.pair[0];
		words->address[1] = packet->saddr.pair[1];
		words->address[2] = packet->daddr.pair[0];
		words->address[3] = packet->daddr.pair[1];
	} else {
		words->key[0] = packet->saddr.word[3] | ((__u64)packet->daddr.word[3] << 32);
		words->key[1] = ports | ((__u64)(meta | packet->ifindex) << 32);
	}
	if (RT_LIKELY(rt_flow_ring(words, stamp, packets, bytes)))
		return;

	scratch = rt_at(&rt_flow_scratch, 0);
	if (!scratch)
		return;
	addition = &scratch->addition;
	__builtin_memcpy(addition->key.saddr, packet->saddr.bytes, 16);
	__builtin_memcpy(addition->key.daddr, packet->daddr.bytes, 16);
	addition->key.ifindex = packet->ifindex;
	addition->key.sport = packet->sport;
	addition->key.dport = packet->dport;
	addition->key.kind = (packet->family == 6 ? RT_WIDE_IPV6 : 0) | (unknown ? RT_WIDE_FRAGMENT : 0);
	addition->key.tcp_flags = flags;
	addition->key.protocol = packet->protocol;
	addition->key.egress = egress;
	addition->packets = packets;
	addition->stamp = stamp;
	addition->bytes = bytes;
	rt_flow_spill(addition);
}

/* Of a GSO packet with one of these flags, one segment on the wire carries them (the last, or with CWR the first). */
#define RT_TCP_ONE_SEGMENT (RT_TCP_FIN | RT_TCP_PSH | RT_TCP_CWR)

/* The second record of a GSO packet, out of the way of the others. Takes it from the scratch. */
static __noinline int rt_flow_split(__u32 egress, __u32 bytes)
{
	struct rt_flow_scratch *scratch = rt_at(&rt_flow_scratch, 0);
	if (scratch)
		rt_flow_record(&scratch->words, &scratch->packet, egress, scratch->packet.flags, 1, bytes);
	return 0;
}

/* A tap handler: adds the packet to its flow, or to the total that says why it has none. */
RT_INLINE void rt_flow_add(struct __sk_buff *skb, const struct rt_packet *packet, const __u32 egress)
{
	__u32 packets = packet->segments;
	__u32 bytes = packet->wire_bytes;
	__u32 flags = packet->flags;
	struct rt_flow_words words;

	if (packet->status != RT_PARSE_OK) {
		_Static_assert(RT_PARSE_HEADER_CHAIN - RT_PARSE_NOT_IP == (int)RT_TOTAL_HEADER_CHAIN - (int)RT_TOTAL_NOT_IP,
			       "totals in the order of the parser's reasons");
		rt_flow_count_total(packet->status - RT_PARSE_NOT_IP + RT_TOTAL_NOT_IP, packets, bytes);
		return;
	}
	if (rt_sampling > 1 && bpf_get_prandom_u32() % rt_sampling) {
		rt_flow_count_total(RT_TOTAL_SAMPLED_OUT, packets, bytes);
		return;
	}
	if (RT_UNLIKELY(packets > 1) && (flags & RT_TCP_ONE_SEGMENT)) {
		__u32 others = (packets - 1) * (packet->gso_size + (__u32)packet->payload);
		__u32 last = bytes > others ? bytes - others : packet->payload;
		struct rt_flow_scratch *scratch = rt_at(&rt_flow_scratch, 0);
		if (!scratch)
			return;
		scratch->packet = *packet;
		rt_flow_split(egress, last);
		packets -= 1;
		bytes -= last;
		flags &= ~RT_TCP_ONE_SEGMENT;
	}
	rt_flow_record(&words, packet, egress, flags, packets, bytes);
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
