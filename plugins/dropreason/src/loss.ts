/**
 * What the kernel frees without anything being lost: these are not counted as drops unless `countNoLoss` is set. Each is
 * here because it was seen, or must come, on a healthy host. The README's table is this one.
 */
export const NO_LOSS: Readonly<Record<string, string>> = {
  NOT_DROPPED_YET: 'no drop',
  CONSUMED: 'the packet reached its end',
  QUEUE_PURGE:
    'a queue emptied because its socket or device went away: a FIN that waited behind the last read, unread data',
  OTHERHOST: 'a frame for another host, seen because the interface or its switch floods',
  UNHANDLED_PROTO: 'a link-layer protocol nobody here speaks, such as LLDP',
  MAC_IEEE_MAC_CONTROL: 'a pause frame, meant for the device alone',
  BRIDGE_INGRESS_STP_STATE: 'a copy at a port the spanning tree keeps shut',
  IPV6_NDISC_NS_OTHERHOST: 'a neighbour solicitation for somebody else in the same multicast group',
  TAP_TXFILTER: 'a group the virtual machine behind the tap has not joined',
  PACKET_SOCK_ERROR: "a capture socket's copy; the packet itself went on",
  UNIX_DISCONNECT: 'a message between local processes',
  UNIX_SKIP_OOB: 'a message between local processes',
  TCP_RESET: 'a reset that was heeded',
  TCP_OLD_ACK: 'an acknowledgement that a later one overtook',
  TCP_RFC7323_PAWS_ACK: 'an acknowledgement that a later one overtook',
  TCP_OLD_DATA: 'data that had arrived already',
  TCP_OLD_SEQUENCE: 'data that had arrived already, or a keep-alive probe',
  TCP_OFOMERGE: 'data that had arrived already',
  DUP_FRAG: 'a fragment that had arrived already',
};

/** Addressed to a group or another host, and nobody here wanted it: no loss for these reasons. */
const UNWANTED = new Set([
  'NOT_SPECIFIED', 'IP_INNOROUTES', 'IP_INADDRERRORS', 'IP_NOPROTO', 'NO_SOCKET', 'IPV6DISABLED', 'INVALID_PROTO',
  'UNICAST_IN_L2_MULTICAST',
]); // prettier-ignore

/** Places that free what is no packet by itself, or was delivered: whatever reason they give. */
const HARMLESS_PLACES = new Set([
  'skb_release_data', // fragments of a packet that is freed as a whole
  'sk_stream_kill_queues', // from here on: queues of a socket that is closed
  'skb_queue_purge',
  'skb_queue_purge_reason',
  'inet_sock_destruct',
  'udp_destruct_common',
  'udp_destruct_sock',
  'packet_rcv', // from here on: a capture socket's copy
  'tpacket_rcv',
  'bpf_prog_test_run_skb', // what a BPF program is tried on, and the packet parser's clock is read with
]);
/**
 * Places that, without giving a reason, free what was heeded: packets to a connection in TIME_WAIT, late FINs first of all;
 * ICMPv6 errors and neighbour discovery (up to 6.1).
 */
const HEEDED_PLACES = new Set(['tcp_v4_rcv', 'tcp_v6_rcv', 'icmpv6_rcv']);
/** Harmless like the places above, but only where the packet belongs to no device, socket or route: a qdisc frees its drops there as well. */
const HARMLESS_IF_DETACHED = new Set(['kfree_skb_list', 'kfree_skb_list_reason']);

export const MARK_GROUP = 1;
export const MARK_DETACHED = 2;

/** Whether something was lost, by the kernel's name of the reason, the function that dropped, and the record's marks. */
export function isLoss(kernelName: string, place: string, marks: number): boolean {
  if (Object.hasOwn(NO_LOSS, kernelName)) return false;
  if (marks & MARK_GROUP && (UNWANTED.has(kernelName) || kernelName === place)) return false;
  if (HARMLESS_PLACES.has(place) || (kernelName === 'NOT_SPECIFIED' && HEEDED_PLACES.has(place))) return false;
  return !(marks & MARK_DETACHED && HARMLESS_IF_DETACHED.has(place));
}

/** Drops of the core's that only happen on the way in, for packets that had no mark of it yet. */
const INGRESS_ONLY = new Set(['CPU_BACKLOG', 'XDP', 'TC_INGRESS', 'DEV_READY', 'IP_INHDR', 'UNHANDLED_PROTO']);

/** 0 unknown, 1 ingress, 2 egress: the record's direction, or what the reason alone tells. */
export function directionOf(kernelName: string, direction: number): number {
  return direction === 0 && INGRESS_ONLY.has(kernelName) ? 1 : direction;
}
