/* SPDX-License-Identifier: MIT */
/*
 * Sends traffic of known size and says exactly what it sent, as one line of JSON at the end. Servers print "ready"
 * first and report when they are told to end (SIGTERM).
 *
 *   flood      UDP frames through AF_PACKET: any number of flows, any order, both families
 *   replay     frames of a file through AF_PACKET
 *   udp        datagrams through a real socket, by sendmmsg, with GSO when asked; udp-sink takes them
 *   stream     TCP bulk data;       stream-sink takes it
 *   connect    TCP connections;     accept takes them
 *   legacy-drop  no traffic: a rule of the older iptables that drops what is forwarded by UDP to an address
 */
#define _GNU_SOURCE
#include "traffic.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

bool pace_wait(const struct pace *pace, uint64_t done, double until)
{
	double t = now();

	if (until > 0 && t >= until)
		return false;
	if (pace->rate > 0) {
		double wait = pace->start + done / pace->rate - t;

		if (wait > 30e-6) {
			struct timespec pause = { (time_t)wait, (long)((wait - (time_t)wait) * 1e9) };

			nanosleep(&pause, NULL);
		}
	}
	return true;
}

void die(const char *what)
{
	fprintf(stderr, "traffic: %s: %s\n", what, strerror(errno));
	exit(1);
}

bool is_ipv6(const char *text)
{
	return strchr(text, ':') != NULL;
}

/* xorshift64* */
uint64_t random64(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 2685821657736338717ull;
}

void print_report(const struct report *r)
{
	printf("{\"packets\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"payload\":%" PRIu64 ",\"connections\":%" PRIu64
	       ",\"failed\":%" PRIu64 ",\"refused\":%" PRIu64 ",\"segmentsOut\":%" PRIu64 ",\"segmentsIn\":%" PRIu64
	       ",\"bytesOut\":%" PRIu64 ",\"retransmits\":%" PRIu64 ",\"seconds\":%.6f}\n",
	       r->packets, r->bytes, r->payload, r->connections, r->failed, r->refused, r->segments_out, r->segments_in,
	       r->bytes_out, r->retransmits, r->seconds);
	fflush(stdout);
}

static const struct option OPTIONS[] = {
	{ "device", 1, 0, 'd' },
	{ "source", 1, 0, 's' },
	{ "destination", 1, 0, 't' },
	{ "source-mac", 1, 0, 'm' },
	{ "destination-mac", 1, 0, 'M' },
	{ "file", 1, 0, 'f' },
	{ "packets", 1, 0, 'n' },
	{ "bytes", 1, 0, 'b' },
	{ "seconds", 1, 0, 'T' },
	{ "rate", 1, 0, 'r' },
	{ "flows", 1, 0, 'F' },
	{ "size", 1, 0, 'l' },
	{ "port", 1, 0, 'p' },
	{ "ports", 1, 0, 'P' },
	{ "source-port", 1, 0, 'S' },
	{ "segment", 1, 0, 'g' },
	{ "connections", 1, 0, 'c' },
	{ "seed", 1, 0, 'x' },
	{ "order", 1, 0, 'o' },
	{ "reset", 0, 0, 'R' },
	{ "bypass", 0, 0, 'B' },
	{ "urgent", 0, 0, 'U' },
	{ 0 },
};

static enum order order_of(const char *text)
{
	if (!strcmp(text, "random"))
		return ORDER_RANDOM;
	return !strcmp(text, "zipf") ? ORDER_ZIPF : ORDER_ROUND_ROBIN;
}

static void parse(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
		switch (c) {
		case 'd':
			o->device = optarg;
			break;
		case 's':
			o->source = optarg;
			break;
		case 't':
			o->destination = optarg;
			break;
		case 'm':
			o->source_mac = optarg;
			break;
		case 'M':
			o->destination_mac = optarg;
			break;
		case 'f':
			o->file = optarg;
			break;
		case 'n':
			o->packets = strtoull(optarg, NULL, 10);
			break;
		case 'b':
			o->bytes = strtoull(optarg, NULL, 10);
			break;
		case 'T':
			o->seconds = atof(optarg);
			break;
		case 'r':
			o->rate = atof(optarg);
			break;
		case 'F':
			o->flows = strtoul(optarg, NULL, 10);
			break;
		case 'l':
			o->size = strtoul(optarg, NULL, 10);
			break;
		case 'p':
			o->port = strtoul(optarg, NULL, 10);
			break;
		case 'P':
			o->ports = strtoul(optarg, NULL, 10);
			break;
		case 'S':
			o->source_port = strtoul(optarg, NULL, 10);
			break;
		case 'g':
			o->segment = strtoul(optarg, NULL, 10);
			break;
		case 'c':
			o->connections = strtoul(optarg, NULL, 10);
			break;
		case 'x':
			o->seed = strtoull(optarg, NULL, 10) | 1;
			break;
		case 'o':
			o->order = order_of(optarg);
			break;
		case 'R':
			o->reset = true;
			break;
		case 'B':
			o->bypass = true;
			break;
		case 'U':
			o->urgent = true;
			break;
		default:
			exit(2);
		}
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(const struct options *, struct report *);
	} modes[] = {
		{ "flood", run_flood },       { "replay", run_replay }, { "udp", run_udp },
		{ "udp-sink", run_udp_sink }, { "stream", run_stream }, { "stream-sink", run_stream_sink },
		{ "connect", run_connect },   { "accept", run_accept }, { "legacy-drop", run_legacy_drop },
	};
	struct options o = {
		.flows = 1,
		.size = 64,
		.port = 9000,
		.ports = 1,
		.source_port = 1024,
		.connections = 1,
		.seed = 88172645463325252ull,
		.source_mac = "02:00:00:00:00:01",
		.destination_mac = "02:00:00:00:00:02",
	};
	struct report report = { 0 };

	if (argc < 2) {
		fprintf(stderr, "usage: traffic MODE [options]; see the head of traffic.c\n");
		return 2;
	}
	o.mode = argv[1];
	parse(argc - 1, argv + 1, &o);
	if (o.urgent && setpriority(PRIO_PROCESS, 0, -20))
		die("setpriority");
	for (unsigned i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		double start = now();
		int status;

		if (strcmp(o.mode, modes[i].name))
			continue;
		status = modes[i].run(&o, &report);
		if (!report.seconds)
			report.seconds = now() - start;
		print_report(&report);
		return status;
	}
	fprintf(stderr, "traffic: no mode \"%s\"\n", o.mode);
	return 2;
}
