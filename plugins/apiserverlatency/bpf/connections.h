/* SPDX-License-Identifier: MIT */
/*
 * Connections to API servers, and the one request of each whose answer is waited for: a SYN, or a segment with data. A
 * request is answered by the first acknowledgement that covers it (of a GSO packet: its first segment on the wire).
 *
 * Only what is new is waited for: `sent` is behind the last byte sent so far, so a segment that begins before it is a
 * repetition. When what is waited for is repeated, nobody can tell which transmission an answer is for (Karn): no sample.
 *
 * A request that is not answered in time stays as it is for as long again, so that user space, which looks every now and
 * then, finds and counts it; an answer that comes later is none.
 */
#ifndef API_CONNECTIONS_H
#define API_CONNECTIONS_H

#include <retina/packet.h>
#include <retina/stream.h>

RT_CONFIG(__u64, no_response_ns, "Nanoseconds after which a request counts as not answered") = 5000000000ull;

struct api_key {
	union rt_ip client;
	union rt_ip server;
	rt_be_port client_port;
	rt_be_port server_port;
	__u32 pad;
};

struct api_connection {
	rt_nanos since; /* when the request that waits was sent (CLOCK_MONOTONIC); 0: none waits */
	rt_nanos seen;  /* when its last packet passed */
	struct bpf_spin_lock lock;
	__u32 until;    /* the acknowledgement that answers it */
	__u32 sent;     /* sequence number behind the last byte sent so far */
	__u8 handshake; /* the request is a SYN */
	__u8 repeated;  /* and was sent more than once */
	__u8 closing;   /* one side is through */
	__u8 pad;
};

/* User space reads the two at the front. */
_Static_assert(__builtin_offsetof(struct api_connection, since) == 0, "user space reads since here");
_Static_assert(__builtin_offsetof(struct api_connection, seen) == 8, "user space reads seen here");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, struct api_key);
	__type(value, struct api_connection);
} api_connections SEC(".maps");

/* Connections that user space has to look after from now on. */
RT_STREAM(api_opened, struct api_key, 256 * 1024);

#define API_BUCKETS 65 /* up to 0.5 ms, 1.5 ms, … 63.5 ms, and beyond */

struct api_histogram {
	rt_count buckets[API_BUCKETS];
	rt_nanos sum;
};

enum api_histogram_index { API_ALL, API_HANDSHAKES, API_HISTOGRAMS };
RT_COUNTERS(api_latency, struct api_histogram, API_HISTOGRAMS);

enum api_unmeasured_index { API_REPEATED, API_NO_ROOM, API_UNMEASURED };
RT_COUNTERS(api_unmeasured, rt_count, API_UNMEASURED);

RT_INLINE void api_count_unmeasured(__u32 why)
{
	rt_count *count = rt_at(&api_unmeasured, why);
	if (count)
		(*count)++;
}

RT_INLINE void api_observe(__u32 which, __u64 nanos)
{
	struct api_histogram *histogram = rt_at(&api_latency, which);
	__u64 bucket = nanos <= 500000 ? 0 : (nanos - 500000 + 999999) / 1000000;

	if (!histogram)
		return;
	if (bucket >= API_BUCKETS)
		bucket = API_BUCKETS - 1;
	histogram->buckets[bucket]++;
	histogram->sum += nanos;
}

/* What is known of one TCP segment. */
struct api_segment {
	__u64 now;
	__u32 seq;
	__u32 ack;
	__u32 payload;
	__u32 first; /* of the payload: what the first packet on the wire carries */
	rt_flags flags;
};

/* Whether sequence number a lies behind b. */
#define API_AFTER(a, b) ((__s32)((a) - (b)) > 0)

enum api_wait { API_FREE, API_WAITING, API_EXPIRED };

/* Whether the connection waits for an answer. One that did not come is kept as long again as it was waited for. */
RT_INLINE enum api_wait api_waits(const struct api_connection *connection, __u64 now)
{
	__s64 age = now - connection->since;

	if (!connection->since || age > (__s64)(2 * no_response_ns))
		return API_FREE;
	return age > (__s64)no_response_ns ? API_EXPIRED : API_WAITING;
}

RT_INLINE void api_start(struct api_connection *connection, const struct api_segment *segment, __u32 until, bool handshake)
{
	connection->since = segment->now;
	connection->until = until;
	connection->handshake = handshake;
	connection->repeated = 0;
}

/* A connection seen for the first time. Of one that was there before, the first data may be a repetition: it is not waited for. */
RT_INLINE void api_open(const struct api_key *key, const struct api_segment *segment)
{
	struct api_connection connection = { .seen = segment->now };
	struct api_key *opened;

	if (segment->flags & (RT_TCP_RST | RT_TCP_FIN))
		return;
	if (segment->flags & RT_TCP_SYN) {
		connection.sent = segment->seq + 1 + segment->payload;
		api_start(&connection, segment, segment->seq + 1, true);
	} else if (segment->payload) {
		connection.sent = segment->seq + segment->payload;
	} else {
		return;
	}
	/* first the room to tell of it: a connection that user space does not know would stay for ever */
	opened = RT_RESERVE(api_opened);
	if (!opened) {
		api_count_unmeasured(API_NO_ROOM);
		return;
	}
	if (bpf_map_update_elem(&api_connections, key, &connection, BPF_NOEXIST)) {
		if (!bpf_map_lookup_elem(&api_connections, key))
			api_count_unmeasured(API_NO_ROOM);
		RT_DISCARD(api_opened, opened);
		return;
	}
	*opened = *key;
	RT_SUBMIT(api_opened, opened);
}

/* From the client. */
RT_INLINE void api_request(const struct api_key *key, const struct api_segment *segment)
{
	struct api_connection *connection = bpf_map_lookup_elem(&api_connections, key);
	__u32 end = segment->seq + segment->payload;
	enum api_wait wait;
	bool through;

	if (!connection) {
		api_open(key, segment);
		return;
	}
	bpf_spin_lock(&connection->lock);
	wait = api_waits(connection, segment->now);
	connection->seen = segment->now;
	if (segment->flags & RT_TCP_RST) {
		if (wait != API_EXPIRED) /* given up before its time: nobody can say that no answer came */
			connection->since = 0;
		connection->closing = 1;
	} else if (segment->flags & RT_TCP_SYN) {
		if (connection->sent == end + 1) {
			connection->repeated = 1;
		} else if (wait != API_EXPIRED) {
			connection->sent = end + 1;
			connection->closing = 0;
			api_start(connection, segment, segment->seq + 1, true);
		}
	} else if (segment->payload) {
		if (API_AFTER(connection->sent, segment->seq)) {
			connection->repeated |= API_AFTER(connection->until, segment->seq);
		} else if (wait == API_FREE) {
			api_start(connection, segment, segment->seq + segment->first, false);
		}
		if (API_AFTER(end, connection->sent))
			connection->sent = end;
	}
	if (segment->flags & RT_TCP_FIN)
		connection->closing = 1;
	through = connection->closing && !connection->since;
	bpf_spin_unlock(&connection->lock);
	if (through)
		bpf_map_delete_elem(&api_connections, key);
}

/* From the server. A reset is an answer, too, but says nothing of the time a server takes to answer. */
RT_INLINE void api_answer(const struct api_key *key, const struct api_segment *segment)
{
	struct api_connection *connection = bpf_map_lookup_elem(&api_connections, key);
	bool answered = false, handshake, repeated, through;
	__u64 since;

	if (!connection)
		return;
	bpf_spin_lock(&connection->lock);
	connection->seen = segment->now;
	since = connection->since;
	handshake = connection->handshake;
	repeated = connection->repeated;
	if (since && segment->now >= since && segment->now - since <= no_response_ns) {
		if (segment->flags & RT_TCP_RST)
			connection->since = 0;
		else if ((segment->flags & RT_TCP_ACK) && !API_AFTER(connection->until, segment->ack))
			answered = !handshake || (segment->flags & RT_TCP_SYN);
		if (answered)
			connection->since = 0;
	}
	if (segment->flags & RT_TCP_RST)
		connection->closing = 1;
	through = connection->closing && !connection->since;
	bpf_spin_unlock(&connection->lock);
	if (through)
		bpf_map_delete_elem(&api_connections, key);
	if (!answered)
		return;
	if (repeated) {
		api_count_unmeasured(API_REPEATED);
		return;
	}
	api_observe(API_ALL, segment->now - since);
	if (handshake)
		api_observe(API_HANDSHAKES, segment->now - since);
}

#endif
