/* SPDX-License-Identifier: MIT */
/*
 * Rules of the older iptables, set as its tool does: by a whole table that replaces the one before. Where nftables is used that tool
 * is often not installed, and which kernels still have these tables is the question.
 */
#define _GNU_SOURCE
#include "traffic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#ifdef __clang__
/* The kernel's entries end in a flexible array, and what follows them lies in it. */
#pragma clang diagnostic ignored "-Wgnu-variable-sized-type-not-at-end"
#endif

#define TABLE "filter"
/* Exit status where the kernel has no such tables. */
#define NO_TABLES 3

#define ACCEPT (-NF_ACCEPT - 1)
#define DROP (-NF_DROP - 1)

static struct xt_standard_target verdict(int verdict)
{
	return (struct xt_standard_target){
		.target.u.user.target_size = sizeof(struct xt_standard_target),
		.verdict = verdict,
	};
}

static struct xt_error_target last(void)
{
	return (struct xt_error_target){
		.target.u.user = { .target_size = sizeof(struct xt_error_target), .name = XT_ERROR_TARGET },
		.errorname = XT_ERROR_TARGET,
	};
}

/*
 * The table: policies of INPUT, FORWARD and OUTPUT that accept, one rule in front of FORWARD's that drops UDP to an address, and the
 * entry every table ends with. The families' structures differ in the packet's part of an entry alone.
 */
#define DEFINE_TABLE(family, entry_type, replace_type) \
	struct rule##family { \
		struct entry_type entry; \
		struct xt_standard_target target; \
	}; \
	struct end##family { \
		struct entry_type entry; \
		struct xt_error_target target; \
	}; \
	struct table##family { \
		struct replace_type head; \
		struct rule##family input, forward_drop, forward, output; \
		struct end##family end; \
	}; \
	static struct rule##family rule##family(int what) \
	{ \
		return (struct rule##family){ \
			.entry = { .target_offset = sizeof(struct entry_type), .next_offset = sizeof(struct rule##family) }, \
			.target = verdict(what), \
		}; \
	} \
	static struct table##family table##family(uint32_t counters) \
	{ \
		const uint32_t size = sizeof(struct rule##family); \
\
		return (struct table##family){ \
			.head = { .name = TABLE, \
				  .valid_hooks = 1 << NF_INET_LOCAL_IN | 1 << NF_INET_FORWARD | 1 << NF_INET_LOCAL_OUT, \
				  .num_entries = 5, \
				  .size = 4 * sizeof(struct rule##family) + sizeof(struct end##family), \
				  .hook_entry = { [NF_INET_FORWARD] = size, [NF_INET_LOCAL_OUT] = 3 * size }, \
				  .underflow = { [NF_INET_FORWARD] = 2 * size, [NF_INET_LOCAL_OUT] = 3 * size }, \
				  .num_counters = counters, \
				  .counters = calloc(counters + 1, sizeof(struct xt_counters)) }, \
			.input = rule##family(ACCEPT), \
			.forward_drop = rule##family(DROP), \
			.forward = rule##family(ACCEPT), \
			.output = rule##family(ACCEPT), \
			.end = { .entry = { .target_offset = sizeof(struct entry_type), \
					    .next_offset = sizeof(struct end##family) }, \
				 .target = last() }, \
		}; \
	}

DEFINE_TABLE(4, ipt_entry, ipt_replace)
DEFINE_TABLE(6, ip6t_entry, ip6t_replace)

static void address(int family, const char *text, void *to)
{
	if (inet_pton(family, text, to) != 1) {
		errno = EINVAL;
		die("legacy-drop: --destination");
	}
}

/* How many entries the table has whose place ours takes. Ends the program where the kernel has none. */
static uint32_t entries(int fd, int level, int option)
{
	union {
		struct ipt_getinfo four;
		struct ip6t_getinfo six;
	} info = { .four.name = TABLE };
	socklen_t length = level == SOL_IP ? sizeof(info.four) : sizeof(info.six);

	if (!getsockopt(fd, level, option, &info, &length))
		return level == SOL_IP ? info.four.num_entries : info.six.num_entries;
	if (errno != ENOPROTOOPT && errno != ENOENT)
		die("legacy-drop: the table's size");
	exit(NO_TABLES);
}

int run_legacy_drop(const struct options *o, struct report *report)
{
	const bool six = is_ipv6(o->destination);
	int fd = socket(six ? AF_INET6 : AF_INET, SOCK_RAW, IPPROTO_RAW), failed;

	(void)report;
	if (fd < 0)
		die("socket");
	if (six) {
		struct table6 table = table6(entries(fd, SOL_IPV6, IP6T_SO_GET_INFO));

		address(AF_INET6, o->destination, &table.forward_drop.entry.ipv6.dst);
		memset(&table.forward_drop.entry.ipv6.dmsk, 0xff, sizeof(struct in6_addr));
		table.forward_drop.entry.ipv6.proto = IPPROTO_UDP;
		table.forward_drop.entry.ipv6.flags = IP6T_F_PROTO;
		failed = setsockopt(fd, SOL_IPV6, IP6T_SO_SET_REPLACE, &table, sizeof(table));
	} else {
		struct table4 table = table4(entries(fd, SOL_IP, IPT_SO_GET_INFO));

		address(AF_INET, o->destination, &table.forward_drop.entry.ip.dst);
		memset(&table.forward_drop.entry.ip.dmsk, 0xff, sizeof(struct in_addr));
		table.forward_drop.entry.ip.proto = IPPROTO_UDP;
		failed = setsockopt(fd, SOL_IP, IPT_SO_SET_REPLACE, &table, sizeof(table));
	}
	if (failed)
		die("legacy-drop: the table");
	close(fd);
	return 0;
}
