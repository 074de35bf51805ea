/** The words of a flow record: what the small numbers in it stand for. */

/** Order of `flagCounts` and bit numbers of `tcpFlags`. SYNACK counts packets with both; SYN and ACK then do not count them. */
export const TCP_FLAGS = ['FIN', 'SYN', 'RST', 'PSH', 'ACK', 'URG', 'ECE', 'CWR', 'NS', 'SYNACK'] as const;
/** A name of {@link TCP_FLAGS}. */
export type TcpFlag = (typeof TCP_FLAGS)[number];

/** Where a flow was seen, in Retina's and Hubble's terms. `HOST` marks events of the kernel that have no tap (drops). */
export const Observation = { FROM_ENDPOINT: 0, TO_ENDPOINT: 1, FROM_NETWORK: 2, TO_NETWORK: 3, HOST: 4 } as const;
/** Direction of this record's packets relative to the endpoint (veth taps) or the node (uplink taps). */
export const Direction = { UNKNOWN: 0, INGRESS: 1, EGRESS: 2 } as const;
/** What became of the packets of a record. */
export const Verdict = { UNKNOWN: 0, FORWARDED: 1, DROPPED: 2 } as const;
/** Whether the packets go from the connection's responder to its initiator. */
export const Reply = { NO: 0, YES: 1, UNKNOWN: 2 } as const;
/**
 * Why this record was written now. Starts, ends and resets come at once, updates at the interval. Each comes once per
 * connection and tap: START on the initiator's flow (TCP: a SYN was seen), END on the flow whose FIN was the second, RESET
 * on the one that reset, EXPIRED when a connection that was not closed has been silent both ways. A START and an END within
 * one drain are two records, the counts in the first.
 */
export const FlowEvent = { UPDATE: 0, START: 1, END: 2, RESET: 3, EXPIRED: 4 } as const;
