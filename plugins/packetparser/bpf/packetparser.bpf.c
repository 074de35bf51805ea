/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* Flows of every tapped interface. All of it is in the headers, where other plugins can use it, too. */
#include <retina/tap.h>

#include <retina/flow.h>

RT_TAP_PREPARED(packetparser, struct rt_flow_here, rt_flow_prepare, rt_flow_add)

char _license[] SEC("license") = "Dual MIT/GPL";
