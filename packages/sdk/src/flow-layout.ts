/**
 * The flow record: the one record type every consumer understands. A record holds what changed in one direction of one
 * connection, seen at one tap, since the last record of the same flow: counters are deltas, times are absolute.
 * The native loader writes records in this layout; `FLOW_STRIDE` and `FLOW_OFFSETS` are checked against it when it loads.
 */

/** Bytes from one flow record to the next. */
export const FLOW_STRIDE = 192;

/** Byte offsets of the fields. f64 fields hold integers exact to 2^53. */
export const FLOW_OFFSETS = {
  sourceAddress: 0, // u8[16], IPv4 as ::ffff:a.b.c.d
  destinationAddress: 16, // u8[16]
  firstSeen: 32, // f64
  start: 40, // f64
  end: 48, // f64
  bytes: 56, // f64
  packets: 64, // f64
  flagCounts: 72, // u32[10], in the order of TCP_FLAGS
  flowId: 112, // u32
  ifindex: 116, // u32
  netns: 120, // u32
  rttMicros: 124, // u32
  retransmits: 128, // u32
  dropReason: 132, // u32
  dropLocation: 136, // u32
  sourceEndpoint: 140, // u32
  destinationEndpoint: 144, // u32
  tapEndpoint: 148, // u32
  connectionId: 152, // u32
  sampling: 156, // u32
  sourcePort: 160, // u16
  destinationPort: 162, // u16
  tcpFlags: 164, // u16
  protocol: 166, // u8
  family: 167, // u8
  direction: 168, // u8
  observation: 169, // u8
  isReply: 170, // u8
  verdict: 171, // u8
  event: 172, // u8
  icmpType: 173, // u8
  icmpCode: 174, // u8
  fresh: 175, // u8
  minRttMicros: 176, // u32
  setupMicros: 180, // u32
  // 184..191: spare, zero
} as const;
