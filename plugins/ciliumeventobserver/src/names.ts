/** What Cilium calls things, by number. Names of drops are those of Hubble's flow API, so that filters made for it fit. */

const FIRST_DROP = 130;
const DROPS = (
  'INVALID_SOURCE_MAC INVALID_DESTINATION_MAC INVALID_SOURCE_IP POLICY_DENIED INVALID_PACKET_DROPPED ' +
  'CT_TRUNCATED_OR_INVALID_HEADER CT_MISSING_TCP_ACK_FLAG CT_UNKNOWN_L4_PROTOCOL CT_CANNOT_CREATE_ENTRY_FROM_PACKET ' +
  'UNSUPPORTED_L3_PROTOCOL MISSED_TAIL_CALL ERROR_WRITING_TO_PACKET UNKNOWN_L4_PROTOCOL UNKNOWN_ICMPV4_CODE ' +
  'UNKNOWN_ICMPV4_TYPE UNKNOWN_ICMPV6_CODE UNKNOWN_ICMPV6_TYPE ERROR_RETRIEVING_TUNNEL_KEY ' +
  'ERROR_RETRIEVING_TUNNEL_OPTIONS INVALID_GENEVE_OPTION UNKNOWN_L3_TARGET_ADDRESS STALE_OR_UNROUTABLE_IP ' +
  'NO_MATCHING_LOCAL_CONTAINER_FOUND ERROR_WHILE_CORRECTING_L3_CHECKSUM ERROR_WHILE_CORRECTING_L4_CHECKSUM ' +
  'CT_MAP_INSERTION_FAILED INVALID_IPV6_EXTENSION_HEADER IP_FRAGMENTATION_NOT_SUPPORTED SERVICE_BACKEND_NOT_FOUND - ' +
  'NO_TUNNEL_OR_ENCAPSULATION_ENDPOINT FAILED_TO_INSERT_INTO_PROXYMAP REACHED_EDT_RATE_LIMITING_DROP_HORIZON ' +
  'UNKNOWN_CONNECTION_TRACKING_STATE LOCAL_HOST_IS_UNREACHABLE NO_CONFIGURATION_AVAILABLE_TO_PERFORM_POLICY_DECISION ' +
  'UNSUPPORTED_L2_PROTOCOL NO_MAPPING_FOR_NAT_MASQUERADE UNSUPPORTED_PROTOCOL_FOR_NAT_MASQUERADE FIB_LOOKUP_FAILED ' +
  'ENCAPSULATION_TRAFFIC_IS_PROHIBITED INVALID_IDENTITY UNKNOWN_SENDER NAT_NOT_NEEDED IS_A_CLUSTERIP ' +
  'FIRST_LOGICAL_DATAGRAM_FRAGMENT_NOT_FOUND FORBIDDEN_ICMPV6_MESSAGE DENIED_BY_LB_SRC_RANGE_CHECK SOCKET_LOOKUP_FAILED ' +
  'SOCKET_ASSIGN_FAILED PROXY_REDIRECTION_NOT_SUPPORTED_FOR_PROTOCOL POLICY_DENY VLAN_FILTERED INVALID_VNI ' +
  'INVALID_TC_BUFFER NO_SID MISSING_SRV6_STATE NAT46 NAT64 AUTH_REQUIRED CT_NO_MAP_FOUND SNAT_NO_MAP_FOUND ' +
  'INVALID_CLUSTER_ID UNSUPPORTED_PROTOCOL_FOR_DSR_ENCAP NO_EGRESS_GATEWAY UNENCRYPTED_TRAFFIC TTL_EXCEEDED NO_NODE_ID ' +
  'DROP_RATE_LIMITED IGMP_HANDLED IGMP_SUBSCRIBED MULTICAST_HANDLED DROP_HOST_NOT_READY DROP_EP_NOT_READY ' +
  'DROP_NO_EGRESS_IP DROP_PUNT_PROXY'
).split(' ');

/** A number newer than this table is `DROP_REASON_` and the number. */
export function dropReasonName(reason: number): string {
  const name = DROPS[reason - FIRST_DROP];
  return name === undefined || name === '-' ? `DROP_REASON_${reason}` : name;
}

const PROGRAMS = [
  '', 'bpf_host.c', 'bpf_lxc.c', 'bpf_overlay.c', 'bpf_xdp.c', 'bpf_sock.c', 'bpf_network.c', 'bpf_wireguard.c',
]; // prettier-ignore
/** The program of an endpoint (a pod) among the source files. */
export const ENDPOINT_PROGRAM = 2;

/** A file of Cilium's datapath; empty where the event names none. Headers have other numbers in every release, so they keep theirs. */
export function sourceFileName(file: number): string {
  return PROGRAMS[file] ?? `header ${file}`;
}

/** Where a packet is traced. */
export const TraceFrom = {
  TO_ENDPOINT: 0, TO_PROXY: 1, TO_HOST: 2, TO_STACK: 3, TO_OVERLAY: 4, FROM_ENDPOINT: 5, FROM_PROXY: 6, FROM_HOST: 7,
  FROM_STACK: 8, FROM_OVERLAY: 9, FROM_NETWORK: 10, TO_NETWORK: 11, FROM_CRYPTO: 12, TO_CRYPTO: 13,
} as const; // prettier-ignore
const TRACE_POINTS = [
  'to-endpoint', 'to-proxy', 'to-host', 'to-stack', 'to-overlay', 'from-endpoint', 'from-proxy', 'from-host', 'from-stack',
  'from-overlay', 'from-network', 'to-network', 'from-crypto', 'to-crypto',
]; // prettier-ignore

/** What the connection table said of a traced packet. */
export const TraceReason = { NEW: 0, ESTABLISHED: 1, REPLY: 2, RELATED: 3, REOPENED: 4, UNKNOWN: 5 } as const;
const TRACE_REASONS = [
  'new', 'established', 'reply', 'related', 'reopened', '', 'srv6-encap', 'srv6-decap', 'encrypt-overlay',
]; // prettier-ignore

/** Such as `to-stack, established`. */
export function traceText(point: number, reason: number, encrypted: boolean): string {
  const state = TRACE_REASONS[reason] ?? `reason ${reason}`;
  const parts = [TRACE_POINTS[point] ?? `point ${point}`, state, encrypted ? 'encrypted' : ''];
  return parts.filter((part) => part !== '').join(', ');
}

/** How a policy matched. */
export const Match = { NONE: 0, L3: 1, L3_L4: 2, L4: 3, ALL: 4, L3_PROTOCOL: 5, PROTOCOL: 6 } as const;
/** The drop reason of a rule that denies; where nothing allows it is another. */
export const DENIED_BY_RULE = 181;
const MATCHES = ['none', 'L3-Only', 'L3-L4', 'L4-Only', 'all', 'L3-Proto', 'Proto-Only'];
export function matchText(match: number): string {
  return MATCHES[match] ?? `match ${match}`;
}

const AUTHENTICATION = ['', 'spire', 'test-always-fail'];
/** The authentication a policy asks for; empty if none. */
export function authenticationText(type: number): string {
  return AUTHENTICATION[type] ?? `type ${type}`;
}

export const Capture = {
  DELIVERY: 4, FROM_LB: 5, AFTER_V46: 6, AFTER_V64: 7, PROXY_PRE: 8, PROXY_POST: 9, SNAT_PRE: 10, SNAT_POST: 11,
} as const; // prettier-ignore
const CAPTURES: Readonly<Record<number, string>> = {
  4: 'delivery', 5: 'from load balancer', 6: 'after NAT46', 7: 'after NAT64', 8: 'before proxy', 9: 'after proxy',
  10: 'before SNAT', 11: 'after SNAT',
}; // prettier-ignore
export function captureText(point: number): string {
  return `capture, ${CAPTURES[point] ?? `point ${point}`}`;
}
