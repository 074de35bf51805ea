/* SPDX-License-Identifier: MIT */
/* TCP: bulk data and connections by the thousand. Segment counts come from TCP_INFO, which counts what is on the wire.
 */
#define _GNU_SOURCE
#include "traffic.h"
#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define CHUNK (1 << 18)

static uint8_t data[CHUNK];

static void add_info(int fd, struct report *report)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length))
		return;
	report->segments_out += info.tcpi_segs_out;
	report->segments_in += info.tcpi_segs_in;
	report->bytes_out += info.tcpi_bytes_sent;
	report->retransmits += info.tcpi_total_retrans;
}

static int listener(const struct options *o)
{
	int fd = bound_socket(SOCK_STREAM, o->source, o->port);

	if (listen(fd, 4096))
		die("listen");
	stop_on_signal();
	ready();
	return fd;
}

/* Sends `bytes`, or for `seconds`, then FIN, and waits for the other side's FIN: all segments are on the wire by then.
 */
int run_stream(const struct options *o, struct report *report)
{
	struct sockaddr_storage to;
	socklen_t length = socket_address(&to, o->destination, o->port);
	double start = now(), until = o->seconds ? start + o->seconds : 0;
	size_t chunk = o->size > 64 && o->size <= CHUNK ? o->size : CHUNK;
	int fd = socket(to.ss_family, SOCK_STREAM, 0);

	if (fd < 0 || connect(fd, (void *)&to, length))
		die("connect");
	while (!o->bytes || report->payload < o->bytes) {
		size_t want = o->bytes && o->bytes - report->payload < chunk ? o->bytes - report->payload : chunk;
		ssize_t n = write(fd, data, want);

		if (n < 0)
			die("write");
		report->payload += n;
		if (until && now() >= until)
			break;
	}
	shutdown(fd, SHUT_WR);
	while (read(fd, data, CHUNK) > 0)
		;
	report->connections = 1;
	report->seconds = now() - start;
	add_info(fd, report);
	close(fd);
	return 0;
}

int run_stream_sink(const struct options *o, struct report *report)
{
	int listening = listener(o);

	while (!stopped) {
		int fd = accept(listening, NULL, NULL);
		ssize_t n;

		if (fd < 0)
			continue;
		while ((n = read(fd, data, CHUNK)) > 0)
			report->payload += n;
		add_info(fd, report);
		report->connections++;
		close(fd);
	}
	return 0;
}

static void end(int fd, bool reset)
{
	struct linger now_and_hard = { 1, 0 };

	if (reset)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now_and_hard, sizeof(now_and_hard));
	close(fd);
}

static void nonblocking(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

/* Opens a connection, or returns -1 when the kernel has none to give (ports, descriptors). */
static int open_connection(const struct options *o, int epoll, const struct sockaddr_storage *to, socklen_t length)
{
	int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct epoll_event event = { .events = EPOLLOUT, .data.fd = fd };

	(void)o;
	if (fd < 0)
		return -1;
	if (connect(fd, (const void *)to, length) && errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
	return fd;
}

/*
 * Connections one after the other, `connections` at a time: connect, send `size` bytes, read the answer of as many, end
 * by FIN or RST. `packets` is how many to make.
 */
int run_connect(const struct options *o, struct report *report)
{
	struct sockaddr_storage to;
	socklen_t length = socket_address(&to, o->destination, o->port);
	double start = now(), until = o->seconds ? start + o->seconds : 0;
	struct pace pace = { o->rate, start };
	struct epoll_event events[256];
	uint64_t opened = 0, open = 0;
	int epoll = epoll_create1(0);

	for (;;) {
		bool more = (!o->packets || opened < o->packets) && (!until || now() < until);

		while (more && open < o->connections) {
			if (o->rate && opened >= (now() - start) * o->rate)
				break;
			if (open_connection(o, epoll, &to, length) < 0) {
				report->failed++;
				break;
			}
			opened++;
			open++;
			more = !o->packets || opened < o->packets;
		}
		if (!open && !more)
			break;
		if (!open)
			pace_wait(&pace, opened, 0);
		int n = epoll_wait(epoll, events, 256, o->rate ? 1 : 1000);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd, error = 0;
			socklen_t size = sizeof(error);

			getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
			if (error) {
				report->refused += error == ECONNREFUSED;
				report->failed += error != ECONNREFUSED;
				open--;
				close(fd);
				continue;
			}
			if (events[i].events & EPOLLOUT && o->size) { /* connected: ask, then wait for the answer */
				struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
				ssize_t sent = write(fd, data, o->size);

				if (sent > 0) {
					report->payload += sent;
					epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
					continue;
				}
			} else if (o->size && read(fd, data, CHUNK) < 0 && errno == EAGAIN) {
				continue;
			}
			report->connections++;
			open--;
			end(fd, o->reset);
		}
	}
	return 0;
}

/* Answers what it reads, ends when the other side does. */
int run_accept(const struct options *o, struct report *report)
{
	int listening = listener(o), epoll = epoll_create1(0);
	struct epoll_event events[256], event = { .events = EPOLLIN, .data.fd = listening };

	nonblocking(listening);
	epoll_ctl(epoll, EPOLL_CTL_ADD, listening, &event);
	while (!stopped) {
		int n = epoll_wait(epoll, events, 256, 100);

		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			ssize_t got;

			if (fd == listening) {
				while ((fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
					event = (struct epoll_event){ .events = EPOLLIN, .data.fd = fd };
					epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
					report->connections++;
				}
				continue;
			}
			got = read(fd, data, CHUNK);
			if (got > 0 && write(fd, data, got) == got)
				report->payload += got;
			else if (got == 0 || (got < 0 && errno != EAGAIN))
				close(fd);
		}
	}
	return 0;
}
