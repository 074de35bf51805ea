/**
 * On kernels from 5.10 to 5.16 a drop has a place in the kernel and no reason. These functions drop for one reason, or for
 * one that is by far the most frequent; elsewhere the function's name is the reason.
 */
const REASONS: Readonly<Record<string, string>> = {
  nf_hook_slow: 'NETFILTER_DROP',
  nf_hook_slow_list: 'NETFILTER_DROP',
  tcp_v4_rcv: 'NO_SOCKET',
  tcp_v6_rcv: 'NO_SOCKET',
  __udp4_lib_rcv: 'NO_SOCKET',
  __udp6_lib_rcv: 'NO_SOCKET',
  udp_queue_rcv_one_skb: 'SOCKET_RCVBUFF',
  udpv6_queue_rcv_one_skb: 'SOCKET_RCVBUFF',
  __netif_receive_skb_core: 'UNHANDLED_PROTO',
  enqueue_to_backlog: 'CPU_BACKLOG',
  neigh_invalidate: 'NEIGH_FAILED',
  arp_error_report: 'NEIGH_FAILED',
  ndisc_error_report: 'NEIGH_FAILED',
  __neigh_event_send: 'NEIGH_QUEUEFULL',
  ip_error: 'IP_INNOROUTES',
  ip6_pkt_drop: 'IP_INNOROUTES',
  ip6_pkt_discard: 'IP_INNOROUTES',
  ip6_pkt_discard_out: 'IP_OUTNOROUTES',
  ip_forward: 'IP_INHDR',
  ip6_forward: 'PKT_TOO_BIG',
  ip_rcv_core: 'IP_INHDR',
  ip6_rcv_core: 'IP_INHDR',
  ip_rcv_finish_core: 'IP_RPFILTER',
  icmp_rcv: 'ICMP_CSUM',
  icmpv6_rcv: 'NOT_SPECIFIED', // errors and neighbour discovery that were heeded
  tcp_add_backlog: 'SOCKET_BACKLOG',
  ip_protocol_deliver_rcu: 'IP_NOPROTO',
  ip6_protocol_deliver_rcu: 'IP_NOPROTO',
  ip_expire: 'FRAG_REASM_TIMEOUT',
  sk_stream_kill_queues: 'QUEUE_PURGE',
  skb_queue_purge: 'QUEUE_PURGE',
  inet_sock_destruct: 'QUEUE_PURGE',
  packet_rcv: 'PACKET_SOCK_ERROR',
  tpacket_rcv: 'PACKET_SOCK_ERROR',
  tun_net_xmit: 'FULL_RING',
};

/** The reason of a drop in the function `place`, in the words of kernels that have reasons. */
export function reasonAtPlace(place: string): string | undefined {
  return REASONS[place];
}
