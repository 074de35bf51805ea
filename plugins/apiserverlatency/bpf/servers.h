/* SPDX-License-Identifier: MIT */
/*
 * Which address and port is an API server's. Nearly no packet is for one, so a filter of 512 bits is asked first: a
 * multiplication per word and one load. User space writes filter and table, and hashes as server_bit() does.
 */
#ifndef API_SERVERS_H
#define API_SERVERS_H

#include <retina/tap.h>

#define SERVER_FILTER_WORDS 16

struct server {
	union rt_ip address;
	rt_be_port port;
	__u8 pad[6];
};

struct server_filter {
	__u32 words[SERVER_FILTER_WORDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__type(key, struct server);
	__type(value, __u64);
} api_servers SEC(".maps");

RT_SHARED(api_filter, struct server_filter, 1);

/* Which bit of the filter stands for an address and port, 0 to 511. */
RT_INLINE __u32 server_bit(const union rt_ip *address, rt_be_port port)
{
	__u32 hash = (address->word[0] * 0x9e3779b1u) ^ (address->word[1] * 0x85ebca77u) ^ (address->word[2] * 0xc2b2ae3du) ^
		     (address->word[3] * 0x27d4eb2fu) ^ (port * 0x165667b1u);
	hash ^= hash >> 15;
	return (hash * 0x2c1b3c6du) >> 23;
}

/* False for nearly everything that is no API server. */
RT_INLINE bool server_maybe(const union rt_ip *address, rt_be_port port)
{
	struct server_filter *filter = rt_at(&api_filter, 0);
	__u32 bit = server_bit(address, port);

	return filter && (RT_READ_ONCE(filter->words[(bit >> 5) & (SERVER_FILTER_WORDS - 1)]) >> (bit & 31)) & 1;
}

RT_INLINE bool server_is(const union rt_ip *address, rt_be_port port)
{
	struct server key = { .port = port };

	key.address.pair[0] = address->pair[0];
	key.address.pair[1] = address->pair[1];
	return bpf_map_lookup_elem(&api_servers, &key) != NULL;
}

#endif
