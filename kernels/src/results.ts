import type { Finding } from '@retina/testkit/kernels';

/** What is run on one kernel: made where the tests start, read inside. */
export interface Task {
  readonly plugins: readonly PluginTask[];
  /** URL of the agent's program, for the run with few rights. */
  readonly agent: string;
  /** Whether nobody else goes by the kernel's clock, so that it may be set. */
  readonly ownClock?: boolean;
}

export interface PluginTask {
  readonly name: string;
  /** Its package's folder. */
  readonly folder: string;
  /** URL of the built module. */
  readonly module: string;
  /** Capabilities its manifest names, without the CAP_ prefix. */
  readonly capabilities: readonly string[];
  /** Whether it needs the kernel's types. */
  readonly btf: boolean;
  /** Its object files. */
  readonly objects: readonly string[];
  /** URL of its `test/kernels.ts`, if it brings one. */
  readonly checks?: string;
}

/** One program, loaded alone. */
export interface ProgramResult {
  /** Object and program: `packetparser/packetparser_ingress`. */
  readonly name: string;
  /** As the object file has it: `tc`, `tp_btf/kfree_skb`. */
  readonly section: string;
  /** Undefined: the kernel took it; else the first line of what it said. */
  readonly refused?: string;
  /** Instructions after the kernel's rewriting, bytes of machine code, and instructions the verifier went through (Linux 5.16 and later). */
  readonly xlated?: number;
  readonly jited?: number;
  readonly verified?: number;
}

/** What a plugin did on one kernel. */
export interface PluginResult {
  readonly name: string;
  readonly programs: readonly ProgramResult[];
  /** `running`, `degraded`, `failed`; with its causes. */
  readonly state: string;
  readonly causes: readonly string[];
  /** What was attached, by hook: `kfree_skb` → `tp_btf`, `taps` → `tcx`. */
  readonly hooks: Readonly<Record<string, string>>;
  readonly findings: readonly Finding[];
  /** What kept it from being tested, if anything did. */
  readonly error?: string;
  readonly seconds: number;
}

/** The agent as a plain user with the capabilities its plugins name. */
export interface RightsResult {
  /** State of each plugin. */
  readonly plugins: Readonly<Record<string, string>>;
  /** Capabilities it had. */
  readonly capabilities: readonly string[];
  readonly error?: string;
}

/** The agent where the kernel publishes no types. */
export interface FloorResult {
  /** What it did wrong, if anything. */
  readonly error?: string;
}

/** Plugins while somebody sets the clock. */
export interface ClockResult {
  /** How many things were compared and right. */
  readonly compared?: number;
  /** What was wrong, if anything. */
  readonly error?: string;
}

/** One line of what is written inside. */
export type Line =
  | { readonly kind: 'kernel'; readonly release: string; readonly seconds: number }
  | { readonly kind: 'plugin'; readonly result: PluginResult }
  | { readonly kind: 'rights'; readonly result: RightsResult }
  | { readonly kind: 'floor'; readonly result: FloorResult }
  | { readonly kind: 'clock'; readonly result: ClockResult }
  | { readonly kind: 'end'; readonly seconds: number };

/** All that one kernel said. */
export interface KernelResult {
  /** `5.10`, `newest`, `native`. */
  readonly name: string;
  readonly release: string;
  readonly plugins: readonly PluginResult[];
  readonly rights: RightsResult | undefined;
  /** Undefined where it was not tested. */
  readonly floor: FloorResult | undefined;
  /** Undefined where the clock is somebody else's. */
  readonly clock: ClockResult | undefined;
  /** Undefined when it came to its end; else what it did last. */
  readonly error?: string;
  readonly seconds: number;
}
