/* SPDX-License-Identifier: MIT */
/*
 * DNS at the taps. The kernel only asks whether a port is one of the configured ones, and copies what TCP and UDP carry to a
 * ring; user space reads it. A packet is one record, or several in a row from the same CPU where it carries more than
 * fits into one.
 */
#include <retina/stream.h>
#include <retina/tap.h>

char LICENSE[] SEC("license") = "Dual MIT/GPL";

#define DNS_CHUNK 320
#define DNS_MAX_CHUNKS 205  /* 64 KiB: segments of TCP come joined together */
#define DNS_WINDOW_SHIFT 27 /* of nanoseconds: 134 ms */

RT_CONFIG(__u32, dns_port_0, "A port to look at, in network byte order; 0 for none") = 0;
RT_CONFIG(__u32, dns_port_1, "Another one") = 0;
RT_CONFIG(__u32, dns_port_2, "Another one") = 0;
RT_CONFIG(__u32, dns_port_3, "Another one") = 0;
RT_CONFIG(__u32, dns_limit, "Most records of one CPU in 134 ms") = 26844;

enum dns_mark {
	DNS_EGRESS = 1 << 0,
	DNS_UPLINK = 1 << 1,
	DNS_FRAGMENT = 1 << 2, /* the first of several: the rest is not here */
};

struct dns_record {
	rt_addr saddr;
	rt_addr daddr;
	rt_nanos at; /* CLOCK_MONOTONIC */
	rt_ifindex ifindex;
	__u32 sequence; /* TCP: of the packet's first byte of payload */
	rt_port sport;
	rt_port dport;
	__u16 length;  /* payload of the whole packet; TCP segments joined by GSO or GRO may have up to 64 KiB */
	__u16 offset;  /* of this record's data in it */
	__u16 segment; /* payload of each packet but the last that this one stands for, 0 if it is one */
	__u8 flags;    /* TCP */
	rt_protocol protocol;
	rt_family family;
	__u8 marks; /* enum dns_mark */
	__u16 cpu;
	__u8 data[DNS_CHUNK]; /* what lies behind the payload's end is old */
};

RT_STREAM(dns_records, struct dns_record, 8 * 1024 * 1024);

/* What was seen, and what of it is in no record. */
struct dns_seen {
	rt_packets packets;   /* of UDP; of TCP those that carry something */
	rt_packets fragments; /* of `packets`: later ones of a datagram */
	rt_packets lost;      /* of `packets`: their first record found no room */
	rt_packets limited;   /* of `packets`: beyond dns_limit */
	rt_packets cut;       /* of `packets`: only the beginning is in the ring */
};

/* Element 0: UDP, 1: TCP. */
RT_COUNTERS(dns_seen, struct dns_seen, 2);

RT_INLINE bool dns_port(__u32 source, __u32 destination, __u32 port)
{
	return port && (source == port || destination == port);
}

/* Offset of the end of what the packet carries: frames may be padded. */
RT_INLINE __u32 dns_end(struct __sk_buff *skb, const struct rt_packet *packet)
{
	__u32 at = packet->network + (packet->family == 4 ? 2 : 4);
	__u32 end = packet->length;
	__be16 length = 0;

	if (packet->gso_size || bpf_skb_load_bytes(skb, at, &length, sizeof(length)) || !length)
		return end;
	at = packet->network + (packet->family == 4 ? 0 : 40) + bpf_ntohs(length);
	if (at < end)
		end = at;
	if (packet->protocol != RT_IPPROTO_UDP || bpf_skb_load_bytes(skb, packet->transport + 4, &length, sizeof(length)))
		return end;
	at = packet->transport + bpf_ntohs(length);
	return at < end ? at : end;
}

/* What the records of one packet have in common, beside rt_tap_scratch. */
struct dns_head {
	__u64 at;
	__u32 sequence;
	__u16 length;
	__u8 marks;
	__u8 pad;
	__u64 window; /* of time, in which so many records were written */
	__u32 records;
	__u32 pad2;
};

RT_SCRATCH(dns_head, struct dns_head);

/* Room for one more record of a packet, filled in but for its data, or NULL. */
RT_INLINE struct dns_record *dns_record(const struct rt_packet *packet, const struct dns_head *head, __u32 offset)
{
	struct dns_record *record = RT_RESERVE(dns_records);
	if (!record)
		return NULL;
	__builtin_memcpy(record->saddr, &packet->saddr, sizeof(record->saddr));
	__builtin_memcpy(record->daddr, &packet->daddr, sizeof(record->daddr));
	record->at = head->at;
	record->ifindex = packet->ifindex;
	record->sequence = head->sequence;
	record->sport = bpf_ntohs(packet->sport);
	record->dport = bpf_ntohs(packet->dport);
	record->length = head->length;
	record->offset = offset;
	record->segment = packet->gso_size;
	record->flags = packet->flags;
	record->protocol = packet->protocol;
	record->family = packet->family;
	record->marks = head->marks;
	record->cpu = bpf_get_smp_processor_id();
	return record;
}

/*
 * Copies `length` bytes from `begin` on to the ring, behind `offset` bytes that are there already. Returns how many there are
 * then. A global function, as the one below: the verifier looks at it once, and takes nothing for granted about the numbers.
 */
__noinline int dns_chunk(struct __sk_buff *skb, __u32 begin, __u32 offset, __u32 length)
{
	const struct rt_packet *packet = rt_at(&rt_tap_scratch, 0);
	struct dns_head *head = rt_at(&dns_head, 0);
	struct dns_record *record;
	__u64 last;

	if (!packet || !head)
		return offset;
	head->records++;
	record = dns_record(packet, head, offset);
	if (!record)
		return offset;
	last = (__u64)length - offset - 1;
	RT_HIDE(last);
	if (last < DNS_CHUNK) {
		bpf_skb_load_bytes(skb, begin + offset, record->data, last + 1);
		offset = length;
	} else {
		if (length)
			bpf_skb_load_bytes(skb, begin + offset, record->data, DNS_CHUNK);
		offset += DNS_CHUNK;
	}
	RT_SUBMIT_QUIETLY(dns_records, record);
	return offset;
}

__noinline int dns_copy(struct __sk_buff *skb, __u32 egress)
{
	const struct rt_packet *packet = rt_at(&rt_tap_scratch, 0);
	struct dns_head *head = rt_at(&dns_head, 0);
	struct dns_seen *seen;
	__u32 begin, end, length, sequence = 0, copied = 0;
	bool limited;
	__u64 now;

	if (!packet || !head)
		return 0;
	seen = rt_at(&dns_seen, packet->protocol == RT_IPPROTO_TCP);
	if (!seen)
		return 0;
	if (packet->fragment >= RT_FRAGMENT_LATER) {
		seen->packets++;
		seen->fragments++;
		return 0;
	}
	begin = packet->payload;
	end = dns_end(skb, packet);
	length = end > begin ? end - begin : 0;
	if (length > 0xffff)
		length = 0xffff;
	if (packet->protocol == RT_IPPROTO_TCP) {
		if (!length && !(packet->flags & (RT_TCP_SYN | RT_TCP_FIN | RT_TCP_RST)))
			return 0;
		bpf_skb_load_bytes(skb, packet->transport + 4, &sequence, sizeof(sequence));
	}
	now = bpf_ktime_get_ns();
	if (head->window != now >> DNS_WINDOW_SHIFT) {
		head->window = now >> DNS_WINDOW_SHIFT;
		head->records = 0;
	}
	/* whoever moves bulk data over a DNS port costs no more than this */
	limited = head->records >= dns_limit;
	head->at = now;
	head->sequence = bpf_ntohl(sequence);
	head->length = length;
	head->marks = (egress ? DNS_EGRESS : 0) | (packet->fragment == RT_FRAGMENT_FIRST ? DNS_FRAGMENT : 0);
	if (rt_is_uplink(packet->ifindex))
		head->marks |= DNS_UPLINK;

	for (int i = 0; i < DNS_MAX_CHUNKS && !limited; i++) {
		__u32 before = copied;
		copied = dns_chunk(skb, begin, before, length);
		if (copied == before || copied >= length)
			break;
	}
	if (!length && packet->protocol == RT_IPPROTO_TCP)
		return 0;
	seen->packets += packet->segments;
	if (limited)
		seen->limited += packet->segments;
	else if (!copied)
		seen->lost += packet->segments;
	else if (copied < length)
		seen->cut += packet->segments;
	return 0;
}

RT_INLINE void dns_look(struct __sk_buff *skb, const struct rt_packet *packet, const __u32 egress)
{
	struct rt_packet *scratch;
	__u32 source = packet->sport, destination = packet->dport;

	if (!packet->ports)
		return;
	if (RT_LIKELY(!dns_port(source, destination, dns_port_0) && !dns_port(source, destination, dns_port_1) &&
		      !dns_port(source, destination, dns_port_2) && !dns_port(source, destination, dns_port_3)))
		return;
	scratch = rt_at(&rt_tap_scratch, 0);
	if (!scratch)
		return;
	if (scratch != packet)
		rt_packet_copy(scratch, packet);
	dns_copy(skb, egress);
}

RT_TAP(dns, dns_look)
