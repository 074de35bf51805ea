/* SPDX-License-Identifier: (MIT OR GPL-2.0-only) */
/* The smallest object built on the flow ring. */
#include <retina/tap.h>

#include <retina/flow.h>

RT_TAP_PREPARED(flows, struct rt_flow_here, rt_flow_prepare, rt_flow_add)

char _license[] SEC("license") = "Dual MIT/GPL";
