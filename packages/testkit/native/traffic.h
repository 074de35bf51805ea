/* SPDX-License-Identifier: MIT */
/* The traffic generator's parts: options, pacing and the report. */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

enum order { ORDER_ROUND_ROBIN, ORDER_RANDOM, ORDER_ZIPF };

struct options {
	const char *mode;
	const char *device;      /* AF_PACKET modes: where the frames leave */
	const char *source;      /* first source address */
	const char *destination; /* address, or first of several */
	const char *source_mac, *destination_mac;
	const char *file; /* replay: frames, each behind a 32-bit little-endian length */
	uint64_t packets; /* how many to send; 0: until seconds are over */
	uint64_t bytes;   /* stream: payload to send */
	double seconds;
	double rate; /* per second; 0: as fast as it goes */
	uint32_t flows;
	uint32_t size;        /* payload bytes of a datagram, or of a write */
	uint32_t port;        /* destination port, or first of several */
	uint32_t ports;       /* destination ports flows are spread over */
	uint32_t source_port; /* first source port */
	uint32_t segment;     /* UDP: GSO segment size; 0: none */
	uint32_t connections; /* at a time */
	uint64_t seed;
	enum order order;
	bool reset;  /* end connections by RST */
	bool urgent; /* run before everything else on the machine */
	bool bypass; /* AF_PACKET: leave without the queueing discipline (and the egress hook) */
};

/* What was sent, as the sender knows it; printed as one line of JSON. */
struct report {
	uint64_t packets, bytes; /* on the wire, link layer included, where the sender can know */
	uint64_t payload;        /* bytes handed to or taken from sockets */
	uint64_t connections, failed, refused;
	/* of TCP sockets, as TCP_INFO has them; bytes_out is payload, retransmitted or not */
	uint64_t segments_out, segments_in, bytes_out, retransmits;
	double seconds;
};

struct pace {
	double rate, start;
};

double now(void);
/* Sleeps until `done` of the paced things may have happened; then returns true, or false when the time is over. */
bool pace_wait(const struct pace *pace, uint64_t done, double until);
void die(const char *what) __attribute__((noreturn));
void print_report(const struct report *report);
bool is_ipv6(const char *text);
uint64_t random64(uint64_t *state);

int run_flood(const struct options *o, struct report *report);
int run_replay(const struct options *o, struct report *report);
int run_udp(const struct options *o, struct report *report);
int run_udp_sink(const struct options *o, struct report *report);
int run_stream(const struct options *o, struct report *report);
int run_stream_sink(const struct options *o, struct report *report);
int run_connect(const struct options *o, struct report *report);
int run_accept(const struct options *o, struct report *report);
int run_legacy_drop(const struct options *o, struct report *report);

#endif
