import type { ComponentHealth, EndpointKind, Tap } from '@retina/sdk';

/** The local API's documents. Times are RFC 3339, rates per second, sizes in bytes. */

export interface AgentStatus {
  readonly version: string;
  readonly pid: number;
  readonly host: string;
  readonly kernel: string;
  /** When the agent began. */
  readonly started: string;
  readonly uptimeSeconds: number;
  /** File the configuration came from, or `built-in`. */
  readonly configuration: string;
  readonly demo: boolean;
  readonly live: boolean;
  readonly ready: boolean;
  readonly components: readonly ComponentHealth[];
  readonly taps: readonly TapReport[];
  /** Where metrics are served. */
  readonly endpoints: readonly string[];
  readonly losses: readonly Loss[];
  /** Packets and bytes that became part of flows, since start. */
  readonly attributed: { readonly packets: number; readonly bytes: number };
  readonly flows: number;
  readonly process: {
    readonly rssBytes: number;
    /** Of one core, since the last status of this kind was made. */
    readonly cpuRatio: number;
  };
}

export type TapReport = Tap;

/** Something a stage saw and could not keep, since start. */
export interface Loss {
  /** Such as `unattributed`, `unparsed` or `flow log`. */
  readonly stage: string;
  /** What is counted: `packets`, `records`, `batches`. */
  readonly unit: string;
  readonly count: number;
  readonly bytes?: number;
}

export const TOP_KINDS = ['talkers', 'drops', 'connections'] as const;
export type TopKind = (typeof TOP_KINDS)[number];

/** Who is at one end, for people: `demo/client`, a node's or service's name, or the bare address. */
interface Ends {
  readonly source: string;
  readonly destination: string;
}

export interface Talker extends Ends {
  readonly bytesPerSecond: number;
  readonly packetsPerSecond: number;
  /** Within the window. */
  readonly bytes: number;
  readonly packets: number;
}

export interface DropRow {
  readonly reason: string;
  readonly direction: string;
  readonly packetsPerSecond: number;
  /** Since the agent started. */
  readonly packets: number;
  readonly bytes: number;
}

export interface ConnectionRow extends Ends {
  readonly protocol: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** From the initiator to the responder, and back; since the connection was first seen. */
  readonly bytes: number;
  readonly replyBytes: number;
  readonly packets: number;
  readonly replyPackets: number;
  readonly ageSeconds: number;
}

export type TopReport =
  | { readonly kind: 'talkers'; readonly windowSeconds: number; readonly rows: readonly Talker[] }
  | { readonly kind: 'drops'; readonly windowSeconds: number; readonly rows: readonly DropRow[] }
  | { readonly kind: 'connections'; readonly windowSeconds: number; readonly rows: readonly ConnectionRow[] };

/** One end of a flow. Names are there where the address is known. */
export interface FlowEnd {
  readonly address: string;
  readonly port: number;
  readonly kind: EndpointKind;
  readonly namespace?: string;
  readonly name?: string;
  readonly workload?: { readonly kind: string; readonly name: string };
}

/** A flow record: what changed in one direction of a connection, at one interface, since its last record. */
export interface FlowRecord {
  /** The record's last packet. */
  readonly time: string;
  readonly start: string;
  readonly firstSeen: string;
  readonly event: 'update' | 'start' | 'end' | 'reset' | 'expired';
  readonly verdict: 'forwarded' | 'dropped' | 'unknown';
  readonly dropReason?: string;
  readonly dropLocation?: string;
  /** `TCP`, `UDP`, `SCTP`, `ICMP`, `ICMPv6`, or the number. */
  readonly protocol: string;
  readonly source: FlowEnd;
  readonly destination: FlowEnd;
  readonly direction: 'ingress' | 'egress' | 'unknown';
  readonly observation: 'from-endpoint' | 'to-endpoint' | 'from-network' | 'to-network' | 'host';
  /** Absent where it cannot be known. */
  readonly isReply?: boolean;
  readonly interface: string;
  readonly packets: number;
  readonly bytes: number;
  readonly tcpFlags?: readonly string[];
  readonly icmp?: { readonly type: number; readonly code: number };
  readonly rttMicros?: number;
  readonly retransmits?: number;
  /** N where the numbers are scaled from one of N packets. */
  readonly sampling?: number;
}

/** A line of `/v1/flows`: a record, or how many a slow reader did not get. */
export type FlowLine = FlowRecord | { readonly lost: number };

/** The error of a refused request. */
export interface ApiError {
  readonly code: string;
  readonly summary: string;
  readonly message: string;
  readonly found?: string;
  readonly needed?: string;
  readonly next?: string;
}
