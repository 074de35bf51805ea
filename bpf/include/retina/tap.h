/* SPDX-License-Identifier: MIT */
/*
 * The tap chain. RT_TAP(name, handler) makes six programs of one handler:
 *
 *   name_ingress         name_egress          alone on the hook: parse, handle
 *   name_ingress_head    name_egress_head     first of several: parse, leave the result in rt_tap_scratch, handle, tail-call slot 0
 *   name_ingress_member  name_egress_member   behind another: take the parsed packet from the scratch, handle, tail-call the next slot
 *
 *   static __always_inline void handler(struct __sk_buff *skb, const struct rt_packet *packet, const __u32 egress);
 *
 * The host attaches one program per hook, and puts the members into rt_tap_chain_ingress and rt_tap_chain_egress, which
 * all objects share. Every program is loaded with expected_attach_type 0 (SEC "tc"), so that one array serves tcx and clsact.
 * Every program returns TC_ACT_UNSPEC (-1 == TCX_NEXT): what other owners put on the hook goes on.
 */
