import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { KernelFeatures } from '@retina/sdk';
import type { PluginHost } from '../agent/plugin-host.ts';
import type { NodeWorld } from '../world/index.ts';
import { patience, type Pod } from '../world/index.ts';

const SETTLE_MS = 10_000;
/** Asking costs an emulated machine much. */
const POLL_MS = 100 * Math.min(patience, 3);
const AGAIN_MS = 300;

/** One line of a plugin's table, on one kernel. */
export interface Finding {
  /** What was compared, as the table calls it: the same on every kernel. */
  readonly what: string;
  readonly right: boolean;
  /** Where this kernel tells it otherwise than the best one would: `by drop location`. */
  readonly how?: string;
  /** What was found where something else was expected, for whoever has to mend it. */
  readonly why?: string;
}

/** A plugin that runs on one kernel, in a node with pods, and what is asked of it. */
export class KernelRun {
  readonly net: NodeWorld;
  readonly host: PluginHost;
  readonly kernel: KernelFeatures;
  readonly findings: Finding[] = [];

  constructor(net: NodeWorld, host: PluginHost, kernel: KernelFeatures) {
    this.net = net;
    this.host = host;
    this.kernel = kernel;
  }

  pod(name: string): Pod {
    return this.net.pod(name);
  }

  /**
   * A finding: asks until the answer is `expected`, then once more a moment later, so that nothing counted twice passes.
   * After ten seconds (times the patience, less after a first wrong answer) it is what was found, and wrong. Does not throw then.
   */
  async finds<T>(what: string, expected: T, ask: () => Promise<T> | T, how?: string): Promise<void> {
    const wrong = this.findings.filter(({ right }) => !right).length;
    const deadline = Date.now() + (SETTLE_MS * patience) / (1 + 2 * wrong);
    let found = await ask();
    while (!isDeepStrictEqual(found, expected) && Date.now() < deadline) {
      await sleep(POLL_MS);
      found = await ask();
    }
    if (isDeepStrictEqual(found, expected)) {
      await sleep(AGAIN_MS);
      found = await ask();
    }
    const right = isDeepStrictEqual(found, expected);
    const why = `expected ${JSON.stringify(expected)} but found ${JSON.stringify(found)}`;
    this.findings.push({ what, right, ...(how !== undefined && { how }), ...(!right && { why }) });
  }

  /** A finding of which only whether it holds matters: a bound, say. `found` says what was seen if it does not. */
  holds(what: string, right: boolean, found: unknown, how?: string): void {
    const why = `found ${JSON.stringify(found)}`;
    this.findings.push({ what, right, ...(how !== undefined && { how }), ...(!right && { why }) });
  }
}

/** What a plugin brings to be tested on every kernel: the default export of its `test/kernels.ts`. */
export interface KernelChecks {
  /** Its options. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** More of the host's configuration: `taps`, `enablePodLevel`, … */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Pods of the node. Default `a` and `b`. */
  readonly pods?: readonly string[];
  /** Programs of the machine that its traffic needs, beside those of the test kit (`ip`, `tc`, `nft`, `sysctl`, `bash`). */
  readonly programs?: readonly string[];
  /** Modules of the kernel that its programs hook into, loaded before anything else where the kernel has them: `nf_tables`. */
  readonly modules?: readonly string[];
  /** Before the plugin starts: firewall rules, servers. */
  prepare?(net: NodeWorld): Promise<void>;
  /** Sends known traffic and compares what the plugin makes of it. Emulated kernels are some 20 times slower: hundreds of packets, not millions. */
  check(run: KernelRun): Promise<void>;
}

/** Says what {@link KernelChecks} are; returns them. */
export function kernelChecks(checks: KernelChecks): KernelChecks {
  return checks;
}
