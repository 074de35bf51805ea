/* SPDX-License-Identifier: MIT */
/* Frames through AF_PACKET: UDP flows made here, or frames from a file. */
#define _GNU_SOURCE
#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <math.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BATCH 64
#define FRAME 2048
#define SOURCE_PORTS 60000u

struct batch {
	struct mmsghdr messages[BATCH];
	struct iovec vectors[BATCH];
	uint8_t frames[BATCH][FRAME];
};

static struct batch batch;

static int open_device(const struct options *o)
{
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	struct sockaddr_ll address = { .sll_family = AF_PACKET, .sll_ifindex = if_nametoindex(o->device) };
	int one = 1, buffer = 8 << 20;

	if (fd < 0)
		die("AF_PACKET socket");
	if (!address.sll_ifindex || bind(fd, (void *)&address, sizeof(address)))
		die(o->device);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	if (o->bypass && setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)))
		die("PACKET_QDISC_BYPASS");
	for (int i = 0; i < BATCH; i++) {
		batch.vectors[i].iov_base = batch.frames[i];
		batch.messages[i].msg_hdr.msg_iov = &batch.vectors[i];
		batch.messages[i].msg_hdr.msg_iovlen = 1;
	}
	return fd;
}

/*
 * Sends `count` frames of the batch, all of them: a frame the device could not take (ENOBUFS) never came to be, is
 * counted as failed and sent again.
 */
static void send_batch(int fd, unsigned count, struct report *report)
{
	unsigned done = 0;

	while (done < count) {
		int n = sendmmsg(fd, batch.messages + done, count - done, 0);

		if (n < 0 && (errno == ENOBUFS || errno == EAGAIN || errno == EINTR)) {
			report->failed++;
			continue;
		}
		if (n < 0)
			die("sendmmsg");
		for (int i = 0; i < n; i++)
			report->bytes += batch.vectors[done + i].iov_len;
		report->packets += n;
		done += n;
	}
}

static unsigned batch_size(const struct options *o, uint64_t sent)
{
	unsigned size = BATCH;

	if (o->rate > 0 && o->rate / 2000 < BATCH)
		size = o->rate / 2000 < 1 ? 1 : (unsigned)(o->rate / 2000);
	if (o->packets && o->packets - sent < size)
		size = o->packets - sent;
	return size;
}

static void mac(uint8_t *to, const char *text)
{
	sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", to, to + 1, to + 2, to + 3, to + 4, to + 5);
}

static uint32_t sum16(const uint8_t *data, unsigned length)
{
	uint32_t sum = 0;

	for (unsigned i = 0; i + 1 < length; i += 2)
		sum += data[i] << 8 | data[i + 1];
	return length & 1 ? sum + (data[length - 1] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = value >> 8;
	at[1] = value;
}

/* What all frames share, and what a flow changes in it. */
struct template
{
	uint8_t frame[FRAME];
	unsigned length, ip, l4; /* bytes; offsets of the headers */
	bool six;
	uint32_t ip_sum, udp_sum; /* over what flows do not change */
};

static void make_template(struct template *t, const struct options *o)
{
	uint8_t *f = t->frame;

	t->six = is_ipv6(o->destination);
	t->ip = 14;
	t->l4 = t->six ? 54 : 34;
	t->length = t->l4 + 8 + o->size;
	if (t->length > FRAME) {
		errno = EMSGSIZE;
		die("size");
	}
	mac(f, o->destination_mac);
	mac(f + 6, o->source_mac);
	put16(f + 12, t->six ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	if (t->six) {
		f[14] = 0x60;
		put16(f + 18, 8 + o->size);
		f[20] = 17;
		f[21] = 64;
		if (inet_pton(AF_INET6, o->source, f + 22) != 1 || inet_pton(AF_INET6, o->destination, f + 38) != 1)
			die("address");
		t->udp_sum = sum16(f + 22, 32);
	} else {
		f[14] = 0x45;
		put16(f + 16, 28 + o->size);
		f[22] = 64;
		f[23] = 17;
		if (inet_pton(AF_INET, o->source, f + 26) != 1 || inet_pton(AF_INET, o->destination, f + 30) != 1)
			die("address");
		t->udp_sum = sum16(f + 26, 8);
	}
	put16(f + t->l4 + 4, 8 + o->size);
	t->udp_sum += 17 + 2 * (8 + o->size);
}

/* Flow number → source port, then destination port, then source address. */
static void make_frame(uint8_t *f, const struct template *t, const struct options *o, uint32_t flow)
{
	uint32_t rest = flow / SOURCE_PORTS, host = rest / o->ports;
	uint16_t sport = o->source_port + flow % SOURCE_PORTS, dport = o->port + rest % o->ports;
	uint8_t *low = f + (t->six ? 34 : 26); /* the last four bytes of the source address */
	const uint8_t *first = t->frame + (t->six ? 34 : 26);
	uint32_t base = (uint32_t)first[0] << 24 | first[1] << 16 | first[2] << 8 | first[3], address = base + host;
	uint32_t moved = (address >> 16) + (address & 0xffff);
	uint32_t was = (base >> 16) + (base & 0xffff);

	put16(low, address >> 16);
	put16(low + 2, address);
	put16(f + t->l4, sport);
	put16(f + t->l4 + 2, dport);
	if (!t->six) {
		put16(f + 24, 0);
		put16(f + 24, fold(sum16(f + 14, 20)));
	}
	/* the template's sum holds the first address */
	uint16_t sum = fold(t->udp_sum - was + moved + sport + dport);

	put16(f + t->l4 + 6, sum ? sum : 0xffff);
}

static uint32_t pick(const struct options *o, uint64_t n, uint64_t *state, double log_flows)
{
	switch (o->order) {
	case ORDER_RANDOM:
		return (random64(state) >> 32) * (uint64_t)o->flows >> 32;
	case ORDER_ZIPF: /* P(k) = log(1 + 1/k) / log(flows + 1): close to Zipf with exponent 1 */
		return (uint32_t)exp((random64(state) >> 11) * 0x1p-53 * log_flows) - 1;
	default:
		return n % o->flows;
	}
}

int run_flood(const struct options *o, struct report *report)
{
	static struct template t;
	int fd = open_device(o);
	double start = now(), until = o->seconds ? start + o->seconds : 0, log_flows = log(o->flows + 1.0);
	struct pace pace = { o->rate, start };
	uint64_t state = o->seed;

	make_template(&t, o);
	for (int i = 0; i < BATCH; i++) {
		memcpy(batch.frames[i], t.frame, t.length);
		batch.vectors[i].iov_len = t.length;
	}
	while ((!o->packets || report->packets < o->packets) && pace_wait(&pace, report->packets, until)) {
		unsigned size = batch_size(o, report->packets);

		for (unsigned i = 0; i < size; i++)
			make_frame(batch.frames[i], &t, o, pick(o, report->packets + i, &state, log_flows));
		send_batch(fd, size, report);
	}
	return 0;
}

int run_replay(const struct options *o, struct report *report)
{
	FILE *file = fopen(o->file, "rb");
	int fd = open_device(o);
	double start = now();
	struct pace pace = { o->rate, start };
	static struct {
		uint32_t length;
		uint8_t bytes[FRAME];
	} frames[1024];
	uint32_t count = 0, length;

	if (!file)
		die(o->file);
	while (count < 1024 && fread(&length, 4, 1, file) == 1) {
		if (length > FRAME || fread(frames[count].bytes, 1, length, file) != length)
			die("frame");
		frames[count++].length = length;
	}
	fclose(file);
	uint64_t total = o->packets ? o->packets : count;

	while (count && report->packets < total && pace_wait(&pace, report->packets, 0)) {
		unsigned size = batch_size(o, report->packets);

		if (size > total - report->packets)
			size = total - report->packets;
		for (unsigned i = 0; i < size; i++) {
			uint32_t n = (report->packets + i) % count;

			memcpy(batch.frames[i], frames[n].bytes, frames[n].length);
			batch.vectors[i].iov_len = frames[n].length;
		}
		send_batch(fd, size, report);
	}
	return 0;
}
