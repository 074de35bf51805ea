import { FLOW_STRIDE, FlowBatch, RetinaError, type FlowSourceOptions, type FlowSourceStats } from '@retina/sdk';
import type { LoadedFlowSource } from './types.ts';

/** An open source of the addon: slabs of memory shared with the native thread, and a way to talk to it. */
export interface NativeSource {
  readonly slabs: readonly ArrayBuffer[];
  flush(): Promise<void>;
  stats(): unknown;
  send(message: Uint8Array): void;
  close(): void;
}

/** Options as the addon takes them: whole numbers in range. */
export type NativeFlowOptions = { readonly [F in keyof FlowSourceOptions]?: number };
/** Called for each batch: rows of one slab, which is lent until the call returns. */
export type OnBatch = (slab: number, rows: number, lost: number) => void;

const ROLES = { endpoint: 0, uplink: 1, extra: 2 } as const;

/** Least and most a setting may be; the defaults are the addon's. */
const RANGES: Readonly<Record<keyof FlowSourceOptions, readonly [number, number]>> = {
  intervalMs: [1, 3_600_000],
  drainMs: [1, 10_000],
  maxFlows: [1, 16_777_216],
  tcpTimeoutSeconds: [1, 604_800],
  otherTimeoutSeconds: [1, 604_800],
  closedTimeoutSeconds: [1, 604_800],
};

/** Throws RETINA_CONFIG_INVALID for a setting that is no whole number in its range. */
export function checkFlowOptions(options: FlowSourceOptions): NativeFlowOptions {
  const checked: Record<string, number> = {};
  for (const [name, [least, most]] of Object.entries(RANGES)) {
    const value = options[name as keyof FlowSourceOptions];
    if (value === undefined) continue;
    if (!Number.isInteger(value) || value < least || value > most) {
      throw new RetinaError('RETINA_CONFIG_INVALID', `flow option ${name} is out of range`, {
        found: String(value),
        needed: `a whole number from ${least} to ${most}`,
      });
    }
    checked[name] = value;
  }
  return checked;
}

/**
 * The flow table of one object, living on the loader's native thread. `open` starts it; `handle` gets borrowed batches and
 * gives each back by returning. An error it throws is an uncaught exception, the batch is given back all the same.
 */
export function openFlowSource(
  open: (onBatch: OnBatch) => NativeSource,
  handle: (batch: FlowBatch) => void,
): LoadedFlowSource {
  let batches: readonly FlowBatch[] = [];
  const native = open((slab, rows) => {
    const batch = batches[slab]!;
    batch.length = rows;
    handle(batch);
  });
  // Views are made once per slab: a batch costs no allocation.
  batches = native.slabs.map((slab) => new FlowBatch(new Uint8Array(slab), 0));
  return new NativeFlowSource(native);
}

class NativeFlowSource implements LoadedFlowSource {
  private readonly native: NativeSource;
  private last: FlowSourceStats | undefined;

  constructor(native: NativeSource) {
    this.native = native;
  }

  stats(): FlowSourceStats {
    this.last = (this.native.stats() as FlowSourceStats | undefined) ?? this.last;
    if (!this.last) throw new RetinaError('RETINA_CLOSED', 'the flow source was closed before its first drain');
    return this.last;
  }

  flush(): Promise<void> {
    return this.native.flush();
  }

  annotate(
    source: Uint8Array,
    destination: Uint8Array,
    ports: readonly [number, number],
    protocol: number,
    rttMicros: number,
    retransmits: number,
  ): void {
    const message = new Uint8Array(48);
    const view = new DataView(message.buffer);
    message.set(source.subarray(0, 16), 0);
    message.set(destination.subarray(0, 16), 16);
    view.setUint16(32, ports[0], true);
    view.setUint16(34, ports[1], true);
    view.setUint8(36, protocol);
    view.setUint32(40, rttMicros, true);
    view.setUint32(44, retransmits, true);
    this.native.send(message);
  }

  setInterface(ifindex: number, role: 'endpoint' | 'uplink' | 'extra', netns: number): void {
    this.native.send(new Uint8Array(Uint32Array.of(ifindex, ROLES[role], netns, 0).buffer));
  }

  removeInterface(ifindex: number): void {
    this.native.send(new Uint8Array(Uint32Array.of(ifindex, 0, 0, 1).buffer));
  }

  [Symbol.dispose](): void {
    this.native.close();
  }
}

/** Throws RETINA_NATIVE_MISSING when the addon writes another flow record than the SDK reads. */
export function checkFlowLayout(
  native: { readonly stride: number; readonly offsets: Readonly<Record<string, number>> },
  offsets: Readonly<Record<string, number>>,
): void {
  const wrong = Object.entries(offsets).filter(([name, offset]) => native.offsets[name] !== offset);
  if (native.stride === FLOW_STRIDE && wrong.length === 0) return;
  throw new RetinaError('RETINA_NATIVE_MISSING', "the native loader's flow record is not the SDK's", {
    found: `stride ${native.stride}, ${wrong.map(([name]) => `${name} at ${native.offsets[name]}`).join(', ')}`,
    needed: `stride ${FLOW_STRIDE}, ${wrong.map(([name, offset]) => `${name} at ${offset}`).join(', ')}`,
    next: 'rebuild the loader: pnpm --filter @retina/loader build',
  });
}
