import { TraceFrom } from './names.ts';

/** Kinds of events as the first byte of a payload names them. */
export const EventType = {
  DROP: 1, DEBUG: 2, CAPTURE: 3, TRACE: 4, POLICY_VERDICT: 5, RECORDING: 6, TRACE_SOCK: 7, ACCESS_LOG: 129, AGENT: 130,
} as const; // prettier-ignore

/** Names Cilium gives them (`cilium monitor --type`), by number. */
export const EVENT_NAMES: Readonly<Record<number, string>> = {
  1: 'drop', 2: 'debug', 3: 'capture', 4: 'trace', 5: 'policy-verdict', 6: 'recording', 7: 'trace-sock', 129: 'l7', 130: 'agent',
}; // prettier-ignore

/** Why an event cannot be read. */
export type EventProblem = 'too_short' | 'unknown_version';

/** An event of Cilium's datapath that carries a packet. What a kind of event does not say is 0. */
export interface PacketEvent {
  readonly type: number;
  /** DROP: the reason. TRACE and CAPTURE: the observation point. */
  readonly subtype: number;
  /** The local endpoint it happened at, by Cilium's number. */
  readonly endpoint: number;
  /** Length of the packet in bytes, and its first bytes: a view. */
  readonly length: number;
  readonly packet: Uint8Array;
  /** The packet begins with its IP header; and then whether that is IPv6. */
  readonly noEthernet: boolean;
  readonly ipv6: boolean;
  /** The packet is a tunnel's outer one. */
  readonly tunnel: 'none' | 'vxlan' | 'geneve';
  /** DROP: the receiving endpoint, 0 on the way out. TRACE to a proxy: its port. */
  readonly destination: number;
  readonly ifindex: number;
  /** TRACE: what the connection table said, and whether the packet is encrypted. */
  readonly reason: number;
  readonly encrypted: boolean;
  /** TRACE: the source address before translation, 4 or 16 bytes; undefined if there was none. */
  readonly original: Uint8Array | undefined;
  /** DROP: where in the datapath, and the errno or the like that went with it. */
  readonly file: number;
  readonly line: number;
  readonly error: number;
  /** POLICY_VERDICT: below 0 minus the drop reason, above 0 the proxy port. */
  readonly verdict: number;
  readonly ingress: boolean;
  readonly audited: boolean;
  readonly match: number;
  readonly authentication: number;
  /** POLICY_VERDICT: numeric security identity of the other end, and what was decided on. */
  readonly remoteIdentity: number;
  readonly port: number;
  readonly protocol: number;
}

const NOTHING = {
  destination: 0, ifindex: 0, reason: 0, encrypted: false, original: undefined, file: 0, line: 0, error: 0, verdict: 0,
  ingress: false, audited: false, match: 0, authentication: 0, remoteIdentity: 0, port: 0, protocol: 0,
} as const; // prettier-ignore

/** Bytes every event that carries a packet begins with. */
const COMMON = 16;
const DROP_HEADERS = [36, 36, 40, 48];
const TRACE_HEADERS = [32, 48, 56];
const CAPTURE_HEADER = 24;
const POLICY_HEADERS = { before_1_19: 32, since: 40 };
const IPV6 = 1;
const NO_ETHERNET = 2;
const VXLAN = 4;
const GENEVE = 8;
const ENCRYPTED = 0x80;

/**
 * Reads an event of a kind that carries a packet; `data` is what the kernel's ring had, in the node's byte order (Cilium runs on
 * little-endian machines only).
 */
export function readEvent(data: Uint8Array): PacketEvent | EventProblem {
  if (data.length < COMMON) return 'too_short';
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const header = headerLength(view);
  if (header === undefined) return 'unknown_version';
  if (data.length < header) return 'too_short';
  const captured = view.getUint16(12, true);
  const type = data[0]!;
  const common = {
    type,
    subtype: data[1]!,
    endpoint: view.getUint16(2, true),
    length: view.getUint32(8, true),
    packet: data.subarray(header, Math.min(data.length, header + captured)),
  };
  switch (type) {
    case EventType.DROP:
      return {
        ...NOTHING, ...common, ...flags(data[14]! >= 2 ? data[36]! : 0),
        destination: view.getUint32(24, true), line: view.getUint16(28, true), file: data[30]!, error: view.getInt8(31),
        ifindex: view.getUint32(32, true),
      }; // prettier-ignore
    case EventType.TRACE:
      return {
        ...NOTHING, ...common, ...flags(data[27]!),
        destination: view.getUint16(24, true), reason: data[26]! & ~ENCRYPTED, encrypted: (data[26]! & ENCRYPTED) !== 0,
        ifindex: view.getUint32(28, true), original: data[14]! >= 1 ? original(data) : undefined,
      }; // prettier-ignore
    case EventType.POLICY_VERDICT: {
      const bits = data[27]!;
      return {
        ...NOTHING, ...common, noEthernet: (bits & 0x80) !== 0, ipv6: (bits & 4) !== 0, tunnel: 'none',
        remoteIdentity: view.getUint32(16, true), verdict: view.getInt32(20, true), port: view.getUint16(24, true),
        protocol: data[26]!, ingress: (bits & 3) === 1, match: (bits >> 3) & 7, audited: (bits & 0x40) !== 0,
        authentication: data[28]!,
      }; // prettier-ignore
    }
    default:
      return {
        ...NOTHING,
        ...common,
        noEthernet: false,
        ipv6: false,
        tunnel: 'none',
        destination: view.getUint32(16, true),
      };
  }
}

/** Bytes before the packet; undefined where the version is not known. */
function headerLength(view: DataView): number | undefined {
  const [type, captured, version, extension] = [
    view.getUint8(0),
    view.getUint16(12, true),
    view.getUint8(14),
    view.getUint8(15),
  ];
  // The ring pads what it carries to a multiple of eight bytes, less its own length: up to seven follow the packet.
  const before = view.byteLength - captured;
  let header: number | undefined;
  if (type === EventType.POLICY_VERDICT) {
    // two lengths under one version: Cilium 1.19 added a cookie
    header = before < POLICY_HEADERS.since ? POLICY_HEADERS.before_1_19 : POLICY_HEADERS.since;
  } else if (type === EventType.CAPTURE) header = CAPTURE_HEADER;
  else header = (type === EventType.DROP ? DROP_HEADERS : TRACE_HEADERS)[version];
  if (header === undefined || extension === 0) return header;
  // A fork's extension stands between header and packet, and only the total says how long it is.
  const extended = before - (before % 8);
  return extended >= header ? extended : undefined;
}

function flags(bits: number): Pick<PacketEvent, 'ipv6' | 'noEthernet' | 'tunnel'> {
  const tunnel = bits & VXLAN ? 'vxlan' : bits & GENEVE ? 'geneve' : 'none';
  return { ipv6: (bits & IPV6) !== 0, noEthernet: (bits & NO_ETHERNET) !== 0, tunnel };
}

function original(data: Uint8Array): Uint8Array | undefined {
  const bytes = data.subarray(32, data[27]! & IPV6 ? 48 : 36);
  return bytes.some((byte) => byte !== 0) ? bytes : undefined;
}

/** Whether a traced packet goes to a proxy, so that `destination` is a port. */
export function isToProxy(event: PacketEvent): boolean {
  return event.type === EventType.TRACE && event.subtype === TraceFrom.TO_PROXY;
}
