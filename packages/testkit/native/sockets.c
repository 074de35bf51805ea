/* SPDX-License-Identifier: MIT */
/* Datagrams through real sockets. */
#define _GNU_SOURCE
#include "traffic.h"
#include "sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

#define BATCH 64

volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

void stop_on_signal(void)
{
	struct sigaction action = { .sa_handler = stop };

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

void ready(void)
{
	printf("ready\n");
	fflush(stdout);
}

socklen_t socket_address(struct sockaddr_storage *to, const char *text, uint16_t port)
{
	struct sockaddr_in *four = (void *)to;
	struct sockaddr_in6 *six = (void *)to;

	memset(to, 0, sizeof(*to));
	if (is_ipv6(text)) {
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(port);
		if (inet_pton(AF_INET6, text, &six->sin6_addr) != 1)
			die(text);
		return sizeof(*six);
	}
	four->sin_family = AF_INET;
	four->sin_port = htons(port);
	if (inet_pton(AF_INET, text, &four->sin_addr) != 1)
		die(text);
	return sizeof(*four);
}

int bound_socket(int type, const char *address, uint16_t port)
{
	struct sockaddr_storage to;
	socklen_t length = socket_address(&to, address, port);
	int fd = socket(to.ss_family, type, 0), one = 1, buffer = 16 << 20;

	if (fd < 0)
		die("socket");
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	if (bind(fd, (void *)&to, length))
		die("bind");
	return fd;
}

/* One connected socket per flow, up to a thousand: source ports source_port, source_port + 1, … */
int run_udp(const struct options *o, struct report *report)
{
	static struct mmsghdr messages[BATCH];
	static uint8_t data[65536];
	struct iovec vector = { data, o->size };
	double start = now(), until = o->seconds ? start + o->seconds : 0;
	struct pace pace = { o->rate, start };
	uint32_t flows = o->flows > 1000 ? 1000 : o->flows, headers = is_ipv6(o->destination) ? 62 : 42;
	uint32_t segments = o->segment ? (o->size + o->segment - 1) / o->segment : 1;
	int *fds = calloc(flows, sizeof(*fds));

	for (uint32_t i = 0; i < flows; i++) {
		struct sockaddr_storage to;
		socklen_t length = socket_address(&to, o->destination, o->port + i % o->ports);
		int segment = o->segment;

		fds[i] = bound_socket(SOCK_DGRAM, o->source, o->source_port + i);
		if (connect(fds[i], (void *)&to, length))
			die("connect");
		if (segment && setsockopt(fds[i], IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment)))
			die("UDP_SEGMENT");
	}
	for (int i = 0; i < BATCH; i++) {
		messages[i].msg_hdr.msg_iov = &vector;
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	uint64_t sent = 0, total = o->packets / segments;

	/* `packets` counts on the wire; sends are made of whole super packets. */
	for (uint32_t f = 0; (!o->packets || sent < total) && pace_wait(&pace, sent * segments, until); f = (f + 1) % flows) {
		uint64_t want = flows > 1 || o->rate ? 1 : BATCH;
		int n;

		if (o->packets && total - sent < want)
			want = total - sent;
		n = sendmmsg(fds[f], messages, want, 0);
		if (n < 0 && errno == ECONNREFUSED)
			report->refused++; /* reported for an earlier datagram; this one was not sent */
		else if (n < 0 && (errno == ENOBUFS || errno == EAGAIN || errno == EINTR))
			report->failed++;
		else if (n < 0)
			die("sendmmsg");
		else
			sent += n;
		if (n < 0)
			f = (f + flows - 1) % flows;
	}
	report->packets = sent * segments;
	report->payload = sent * o->size;
	report->bytes = report->payload + report->packets * headers;
	return 0;
}

int run_udp_sink(const struct options *o, struct report *report)
{
	static struct mmsghdr messages[BATCH];
	static struct iovec vectors[BATCH];
	static uint8_t data[BATCH][9000];
	struct timeval pause = { 0, 100000 };
	int fd = bound_socket(SOCK_DGRAM, o->source, o->port);

	stop_on_signal();
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &pause, sizeof(pause));
	for (int i = 0; i < BATCH; i++) {
		vectors[i] = (struct iovec){ data[i], sizeof(data[i]) };
		messages[i].msg_hdr.msg_iov = &vectors[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	ready();
	while (!stopped) {
		int n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);

		for (int i = 0; i < n; i++)
			report->payload += messages[i].msg_len;
		if (n > 0)
			report->packets += n;
	}
	return 0;
}
