import type {
  BpfHandle,
  BpfOptions,
  FlowBatch,
  FlowSource,
  FlowSourceOptions,
  Layout,
  NetlinkFilter,
  NetlinkMessage,
  NetlinkRequest,
  RecordBatch,
  RetinaError,
  StreamOptions,
  Table,
} from '@retina/sdk';
import type { Address, DefaultRoute, Interface, NamedNamespace, NetworkEvent } from './network-types.ts';

export type * from './network-types.ts';

/** One program of an object file, before or after loading. */
export interface ProgramInfo {
  readonly name: string;
  /** ELF section, such as `tc` or `tp_btf/kfree_skb`. */
  readonly section: string;
}

export interface MapInfo {
  readonly name: string;
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
}

/** A constant declared with RT_CONFIG in the object's read-only data. */
export interface ConstantInfo {
  readonly name: string;
  readonly size: number;
  readonly value: bigint;
}

/** A parsed object file. Needs no privileges; may be loaded any number of times, with other settings each time. */
export interface ObjectSpec extends Disposable {
  readonly programs: readonly ProgramInfo[];
  readonly maps: readonly MapInfo[];
  readonly constants: readonly ConstantInfo[];
  /** Creates maps and loads programs off the event loop. Throws RETINA_VERIFIER_REJECTED, RETINA_LOAD_FAILED, RETINA_CAPABILITY_MISSING, RETINA_BTF_MISSING. */
  load(options?: LoadOptions): Promise<LoadedObject>;
}

export interface LoadOptions extends BpfOptions {
  /** Maps of this object to replace by existing ones, by name: how objects share the tap chain. */
  readonly reuseMaps?: Readonly<Record<string, BpfMap>>;
}

export interface TestRunOptions {
  /** Times to run; `nanos` is the mean. Default 1. */
  readonly repeat?: number;
  /** Interface the packet belongs to; the loopback device when left out. */
  readonly ifindex?: number;
  /** For packets that stand for several: how many, and the payload of each but the last. */
  readonly gsoSegments?: number;
  readonly gsoSize?: number;
  readonly mark?: number;
}

export interface TestRunResult {
  /** What the program returned, as a signed number. */
  readonly retval: number;
  readonly nanos: number;
  /** The packet afterwards. */
  readonly data: Uint8Array;
}

/** A stream or table that is read. Disposing of it ends it; no batch arrives afterwards. */
export interface RecordSource extends Disposable {
  /** Hands over everything there is now, before it resolves. Rejects with RETINA_CLOSED when it is disposed of meanwhile. */
  flush(): Promise<void>;
}

/** A table that is read, and drained at a pace that may change. */
export type TableSource = RecordSource & Table;

/** What a loaded program costs to keep and cost to verify. */
export interface VerifiedProgram {
  /** eBPF instructions after the verifier has rewritten them. */
  readonly instructions: number;
  /** Machine code; 0 where the kernel interprets. */
  readonly jitedBytes: number;
  /** Instructions the verifier went through, over all paths: its limit is a million. 0 before Linux 5.16. */
  readonly verifiedInstructions: number;
}

export interface BpfProgram {
  readonly name: string;
  readonly fd: number;
  readonly id: number;
  readonly verified: VerifiedProgram;
  /** Runs the program once on `data` (BPF_PROG_TEST_RUN). Never on one that is attached. */
  testRun(data: Uint8Array, options?: TestRunOptions): TestRunResult;
  /** Run count and run time in ns; zero unless kernel.bpf_stats_enabled. */
  stats(): { readonly runs: number; readonly nanos: number };
}

export interface BpfMap extends Disposable {
  readonly name: string;
  readonly fd: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  lookup(key: Uint8Array): Uint8Array | undefined;
  update(key: Uint8Array, value: Uint8Array): void;
  remove(key: Uint8Array): boolean;
  /** Every entry, read in batches where the kernel can. Per-CPU values lie one behind the other, each padded to 8 bytes. */
  entries(): readonly (readonly [Uint8Array, Uint8Array])[];
  /** Program arrays only; `undefined` empties the slot. */
  setProgram(slot: number, program: BpfProgram | undefined): void;
}

/** The host's part of a flow source: what the interfaces are that its flows are seen at. */
export interface LoadedFlowSource extends FlowSource {
  /** Role of an interface and inode of the namespace behind it (0: unknown). Unless told, an interface is an endpoint of an unknown namespace. */
  setInterface(ifindex: number, role: 'endpoint' | 'uplink' | 'extra', netns: number): void;
  /** The interface has gone: what is not yet reported goes out at once. */
  removeInterface(ifindex: number): void;
}

/** A loaded object: everything a plugin's BpfHandle offers, and the host's part. Closing it closes its links and sources, but for tap links. */
export interface LoadedObject extends BpfHandle, Disposable {
  flows(options: FlowSourceOptions, handle: (batch: FlowBatch) => void): LoadedFlowSource;
  /** Called when a source of this object ends by itself: its layout does not fit, or the kernel refused what draining needs. Unset, the error is an uncaught exception. */
  onSourceFailure: ((error: RetinaError) => void) | undefined;
  map(name: string): BpfMap;
  program(name: string): BpfProgram;
  /** BpfHandle's, with `flush`. */
  stream<L extends Layout>(
    map: string,
    layout: L,
    handle: (batch: RecordBatch<L>) => void,
    options?: StreamOptions,
  ): RecordSource;
  table<L extends Layout>(map: string, layout: L, ms: number, handle: (batch: RecordBatch<L>) => void): TableSource;
  /** Attaches a tc program to one hook of one interface, off the event loop. `auto`: tcx where the kernel has it, else clsact. */
  attachTap(
    program: string,
    ifindex: number,
    direction: 'ingress' | 'egress',
    mode?: 'auto' | 'tcx' | 'clsact',
  ): Promise<TapLink>;
}

/**
 * Disposing of it detaches. It outlives the object that attached it: the tap chain moves it to a program of another object
 * by {@link update}, then closes the first object. A tcx link also goes with the process; a clsact filter has our handle and priority and is removed by removeStaleFilters.
 */
export interface TapLink extends Disposable {
  readonly ifindex: number;
  readonly direction: 'ingress' | 'egress';
  readonly mode: 'tcx' | 'clsact';
  /** Replaces the program atomically. It may belong to another object. */
  update(program: BpfProgram): void;
}

/** What the loader's index exports beside the types: the whole native surface. */
export interface LoaderApi {
  kernelFeatures(): import('@retina/sdk').KernelFeatures;
  openObject(file: URL | string): ObjectSpec;
  createMap(spec: {
    name: string;
    type: 'prog_array' | 'array' | 'percpu_array' | 'hash';
    keySize: number;
    valueSize: number;
    maxEntries: number;
    flags?: number;
  }): BpfMap;
  interfaces(): Promise<readonly Interface[]>;
  addresses(): Promise<readonly Address[]>;
  /** Where the default routes of both families lead, each interface once. */
  defaultRoutes(): Promise<readonly DefaultRoute[]>;
  /** Calls back for every change from now on, within milliseconds. */
  watchNetwork(listener: (event: NetworkEvent) => void): Disposable;
  /** Namespaces named under /run/netns. */
  namedNamespaces(): Promise<readonly NamedNamespace[]>;
  /** Addresses inside another namespace; throws RETINA_CAPABILITY_MISSING without CAP_SYS_ADMIN. */
  addressesIn(namespacePath: string): Promise<readonly Address[]>;
  /** Inode of this process's network namespace. */
  ownNetns(): number;
  /** Whether this process is in the network namespace the kernel booted with. Needs /proc/sys below Linux 5.14. */
  inInitialNetns(): boolean;
  /** The SDK's `Netlink.request`: a socket of its own per request, read off the event loop. Messages are views of memory that is written to again. */
  netlinkRequest(
    request: NetlinkRequest,
    handle: (messages: readonly NetlinkMessage[]) => void,
  ): Promise<{ readonly messages: number; readonly interrupted: boolean }>;
  /**
   * The SDK's `Netlink.subscribe`. Throws RETINA_NETLINK_FAILED. Keeps the process alive until it is disposed of. `fail` is told
   * when it ends by itself; unset, the error is an uncaught exception.
   */
  netlinkSubscribe(
    family: number,
    groups: readonly number[],
    handle: (messages: readonly NetlinkMessage[], lost: number) => void,
    filter?: NetlinkFilter,
    fail?: (error: RetinaError) => void,
  ): Disposable;
  /** The SDK's `Devices.statistics`. */
  deviceStatistics(interfaceName: string): Promise<ReadonlyMap<string, number> | undefined>;
  /** Removes clsact filters an earlier, killed agent left: ours are recognised by handle, priority and program name. Never deletes a qdisc others use. Returns how many. */
  removeStaleFilters(): Promise<number>;
  /** Symbol name that covers a kernel address from /proc/kallsyms; undefined without CAP_SYSLOG. */
  kernelSymbol(address: bigint): string | undefined;
  /** Reads the symbols ahead, off the event loop (some 100 ms, about 5 MB). False when the kernel shows none. */
  readKernelSymbols(): Promise<boolean>;
  /** Resolves when everything disposed of so far has left the kernel. Detaching waits for running programs, off the event loop. */
  settled(): Promise<void>;
}
