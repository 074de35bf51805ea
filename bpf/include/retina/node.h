/* SPDX-License-Identifier: MIT */
/*
 * Events of the whole kernel, and whose they are. Several nodes may share one kernel (kind, nested clusters), each in network
 * namespaces of its own: an agent counts what happens in its own node's.
 *
 *   if (!rt_on_this_node(netns))
 *           return 0;
 *
 * `netns` is the inode number of the namespace the event is of; 0, unknown, is a number like any other: the host decides
 * whose it is. Without an agent beside it the host leaves rt_node_only at 0, and the question costs nothing.
 */
#ifndef RETINA_NODE_H
#define RETINA_NODE_H

#include "config.h"
#include "maps.h"

#define RT_NODE_MAX_NAMESPACES 4096

RT_CONFIG(__u32, rt_node_only, "Set by the host: count events of this node's network namespaces only") = 0;

/* Written by the host, shared by all objects: inode numbers of this node's namespaces. The value says nothing. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RT_NODE_MAX_NAMESPACES);
	__type(key, __u32);
	__type(value, __u32);
} rt_node_namespaces SEC(".maps");

/* Whether an event in this network namespace is one of this node's. */
RT_INLINE bool rt_on_this_node(rt_netns netns)
{
	__u32 key = netns;
	return !rt_node_only || bpf_map_lookup_elem(&rt_node_namespaces, &key);
}

#endif
