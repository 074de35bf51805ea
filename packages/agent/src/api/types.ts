import type { FlowJson } from '@retina/core';
import type { ComponentHealth, Health, Tap } from '@retina/sdk';

export type { FlowJson };

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
  /** What is amiss beside the components, such as an identity file with mistakes. */
  readonly problems: Health['problems'];
  readonly taps: readonly TapReport[];
  /** Where metrics are served. */
  readonly endpoints: readonly string[];
  /** What a stage saw and could not keep. */
  readonly losses: readonly Loss[];
  /** Frames that are no flow: no IP, cut short, malformed. */
  readonly unparsed: readonly Loss[];
  /** Packets and bytes that became part of flows, since start. */
  readonly attributed: { readonly packets: number; readonly bytes: number };
  readonly flows: number;
  readonly process: {
    readonly rssBytes: number;
    /** Of one core, over the last seconds. */
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

/** Drops by reason, exact: what `networkobservability_drop_count` and `…_bytes` say. */
export interface DropRow {
  readonly reason: string;
  readonly direction: string;
  /** The kernel function that drops most for this reason, in either direction; absent where none is known. */
  readonly place?: string;
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

/** A line of `/v1/flows`: a record, or how many a slow reader did not get. */
export type FlowLine = FlowJson | { readonly lost: number };

/** The error of a refused request. */
export interface ApiError {
  readonly code: string;
  readonly summary: string;
  readonly message: string;
  readonly found?: string;
  readonly needed?: string;
  readonly next?: string;
}
