import type { FlowAnnotation } from './flow-annotation.ts';
import type { FlowBatch } from './flow.ts';
import type { Layout, RecordBatch } from './layout.ts';

/** What the running kernel and this process's rights offer. Found by probing, never by version alone. */
export interface KernelFeatures {
  /** `uname -r` */
  readonly release: string;
  /** Major, minor. */
  readonly version: readonly [number, number];
  readonly architecture: string;
  /** /sys/kernel/btf/vmlinux is readable. */
  readonly btf: boolean;
  /** tcx links (6.6 and later); without it taps use clsact. */
  readonly tcx: boolean;
  readonly ringBuffer: boolean;
  /** Effective capabilities of this process without the CAP_ prefix: `BPF`, `NET_ADMIN`, … */
  readonly capabilities: readonly string[];
  readonly preemptRt: boolean;
  /** Possible CPUs, the number of per-CPU slots. */
  readonly possibleCpus: number;
  /** Arguments of a raw tracepoint in the running kernel's BTF (without the context), -1 if there is no such tracepoint. */
  tracepointArguments(name: string): number;
  /** Names of an enum in vmlinux and, where loaded, module BTF: value → name. Empty if there is none. */
  enumNames(name: string): ReadonlyMap<number, string>;
  /** Name of the kernel function that covers an address; undefined without CAP_SYSLOG. Reads /proc/kallsyms at its first call. */
  symbol(address: bigint): string | undefined;
}

/** What of an object file is set before the kernel sees it. A name the object does not have is RETINA_OBJECT_INVALID. */
export interface BpfOptions {
  /** Values of constants the object declares with RT_CONFIG, by name. */
  readonly constants?: Readonly<Record<string, number | bigint>>;
  /** max_entries of maps, by name. */
  readonly maxEntries?: Readonly<Record<string, number>>;
  /** Programs not to load (because the kernel cannot, or the configuration does not ask for them). */
  readonly skipPrograms?: readonly string[];
}

/** A loaded BPF object that belongs to the plugin's scope. Programs attached and sources opened on it end with the scope. */
export interface BpfHandle {
  readonly programs: readonly string[];
  readonly maps: readonly string[];
  /** Attaches a tracing program (tp_btf, raw_tp, …) as its section says. Throws RETINA_ATTACH_FAILED. */
  attach(program: string): Disposable;
  /** A ring buffer of fixed-stride records. `lostMap`, a per-CPU u64 array, is declared by RT_STREAM. */
  stream<L extends Layout>(
    map: string,
    layout: L,
    handle: (batch: RecordBatch<L>) => void,
    options?: StreamOptions,
  ): Disposable;
  /**
   * A pair of hash maps with a generation switch (RT_TABLE): every `ms` milliseconds the idle half is drained and its
   * records handed over; key and value of each lie one behind the other as `layout` says. Counts are deltas.
   */
  table<L extends Layout>(map: string, layout: L, ms: number, handle: (batch: RecordBatch<L>) => void): Table;
  /** A per-CPU array of u64[n] values summed over CPUs: entries × n doubles, row after row. A fresh array each call. */
  counters(map: string): Float64Array;
  /** Flow records of an object built on the flow ring (`retina/flow.h`). `handle` gets borrowed batches. */
  flows(options: FlowSourceOptions, handle: (batch: FlowBatch) => void): FlowSource;
  /** Runs of a tracing program that the kernel left out, since the same program was running on that CPU (`recursion_misses`; 0 before 5.12). */
  missed(program: string): number;
  /** Bytes of one entry as the kernel has it, a copy that is the caller's; undefined where the key is not in the map. `key` has the size of the map's keys. Throws RETINA_MAP_FAILED. */
  lookup(map: string, key: Uint8Array): Uint8Array | undefined;
  /** Sets one entry, making it. Throws RETINA_MAP_FAILED, with E2BIG where the map is full. */
  update(map: string, key: Uint8Array, value: Uint8Array): void;
  /** Removes one entry; false if it was not there. Throws RETINA_MAP_FAILED. */
  remove(map: string, key: Uint8Array): boolean;
}

/** How a ring buffer is read. */
export interface StreamOptions {
  /**
   * Read the ring every so many milliseconds rather than when a record arrives: for streams that are never silent, submitted
   * with RT_SUBMIT_QUIETLY, where a wake-up per record would cost more than the record. Default: when one arrives.
   */
  readonly everyMs?: number;
}

/** A table that is read. Disposing of it ends it, and gives up what was not handed over yet. */
export interface Table extends Disposable {
  /** Drains every `ms` milliseconds from now on. */
  pace(ms: number): void;
}

/** How flows are aggregated. Whatever is left out has the default that stands with it. */
export interface FlowSourceOptions {
  /** Time between two records of one changed flow, in milliseconds. Default 1000. */
  readonly intervalMs?: number;
  /** Time between two drains of the kernel's rings, in milliseconds: bounds how late a start, end or reset is seen. Default 80. */
  readonly drainMs?: number;
  /** Most flows known at a time in user space; beyond it packets are counted as unattributed. Default 262 144. */
  readonly maxFlows?: number;
  /** Seconds without a packet after which a flow is forgotten. Defaults as the original's: 360 TCP, 60 others, 30 after both FINs. */
  readonly tcpTimeoutSeconds?: number;
  readonly otherTimeoutSeconds?: number;
  readonly closedTimeoutSeconds?: number;
}

/** The state of a flow source, totals since start. packets = attributed + unattributed, always. */
export interface FlowSourceStats {
  /** Kernel records read, and those that came through the spill maps. */
  readonly records: number;
  readonly spilled: number;
  /** Packets and bytes that became part of flows. */
  readonly packets: number;
  readonly bytes: number;
  /** Packets and bytes no table could hold, in the kernel and in user space. */
  readonly overflowPackets: number;
  readonly overflowBytes: number;
  /** The same by the table that was full: `kernel_tables` (ring, spill and overflow maps), `flow_table` (`maxFlows`). */
  readonly unattributed: Readonly<Record<string, { readonly packets: number; readonly bytes: number }>>;
  /** Packets and bytes of frames that are no parsable IP packet, by reason: `not_ip`, `truncated`, `malformed`, … */
  readonly unparsed: Readonly<Record<string, { readonly packets: number; readonly bytes: number }>>;
  /** Flow batches not handed to JavaScript because it was busy are kept and merged, never lost; this counts the merges. */
  readonly deferred: number;
  /** Units of the rings, or whole rings, whose contents made no sense and were passed over. Always 0 unless something is broken. */
  readonly skipped: number;
  readonly flows: number;
  readonly maxFlows: number;
  /** Memory of the flow table in user space. */
  readonly memoryBytes: number;
  /** Highest fill of a CPU's ring at a drain since start, 0 to 1. */
  readonly ringFill: number;
  /** Drains, and the native thread's CPU time in them, in nanoseconds. */
  readonly drains: number;
  readonly drainNanos: number;
  /** What conntrack_* gauges show: both directions of every live connection. */
  readonly connections: number;
  readonly forwardPackets: number;
  readonly forwardBytes: number;
  readonly replyPackets: number;
  readonly replyBytes: number;
}

/** The flow table of one object: kernel and user space together. Ends with the plugin's scope, or when disposed of. */
export interface FlowSource extends Disposable {
  /** Totals since it was opened: a copy. */
  stats(): FlowSourceStats;
  /** Drains now and hands over every changed flow, before it resolves. */
  flush(): Promise<void>;
  /** Sets what is known of a connection beside its packets, and adds to its retransmits. */
  annotate(annotation: FlowAnnotation): void;
}
