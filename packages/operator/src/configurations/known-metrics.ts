/**
 * Pod-level families of Retina's own plugins and of the original's, by the name MetricsConfiguration uses. Other names may
 * belong to a plugin of somebody else's, which the operator cannot know.
 */
export const KNOWN_METRICS: readonly string[] = [
  'forward_count', 'forward_bytes', 'drop_count', 'drop_bytes', 'tcp_flag_gauges',
  'tcp_retransmission_count', 'tcp_retransmission_kind', 'tcp_spurious_retransmission_count',
  'dns_request_count', 'dns_response_count', 'dns_unanswered_total', 'dns_latency_seconds',
  'tcp_rtt', 'tcp_min_rtt', 'tcp_connection_setup', 'tcp_connection_duration', 'tcp_connections_opened',
  'tcp_connections_accepted', 'tcp_connections_failed', 'tcp_connections_reset',
  'node_apiserver_latency', 'node_apiserver_no_response', 'node_apiserver_tcp_handshake_latency',
]; // prettier-ignore

/** Names the original takes and that have no pod-level family, there or here. */
export const WITHOUT_PODS: readonly string[] = [
  'tcp_state', 'tcp_connection_stats', 'tcp_connection_remote', 'ip_connection_stats', 'udp_connection_stats', 'interface_stats',
]; // prettier-ignore
