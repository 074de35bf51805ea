import type { BpfHandle, KernelFeatures } from '@retina/sdk';
import { isLoss } from './loss.ts';
import { labelOf, type Reasons } from './reasons.ts';

/** What is known of drops for one reason at one place. */
export interface Kind {
  readonly counts: boolean;
  readonly kernelName: string;
  /** Label ids; `place` is 0 where the kernel code has no name. */
  readonly reason: number;
  readonly place: number;
}

/** In the agent's own network namespace. */
const MARK_OWN = 4;
/** The upper 16 bits of every address of kernel code, which records leave out. */
const KERNEL_HALF = 0xffff_0000_0000_0000n;

export interface KindsOptions {
  readonly handle: Pick<BpfHandle, 'lookup'>;
  readonly kernel: Pick<KernelFeatures, 'symbol'>;
  readonly reasons: Reasons;
  readonly label: (text: string) => number;
  readonly countNoLoss: boolean;
}

/** Judges drops by reason, place and marks, each combination once. */
export class Kinds {
  private readonly options: KindsOptions;
  private readonly known = new Map<number, Map<number, Kind>>();
  private tracking = false;

  constructor(options: KindsOptions) {
    this.options = options;
  }

  /** Whether packets that netfilter's core frees in the agent's namespace are the connection table's doing. */
  set onlyTracking(only: boolean) {
    if (only !== this.tracking) this.known.clear();
    this.tracking = only;
  }

  of(reason: number, location: number, marks: number): Kind {
    let places = this.known.get(location);
    if (!places) this.known.set(location, (places = new Map<number, Kind>()));
    const key = reason * 8 + (marks & 7);
    let kind = places.get(key);
    if (!kind) places.set(key, (kind = this.judge(reason, location, marks)));
    return kind;
  }

  private judge(reason: number, location: number, marks: number): Kind {
    const { reasons, label, countNoLoss } = this.options;
    const place = location === 0 ? '' : this.symbol(location);
    const kernelName = reasons.kernelName(reason, place);
    const tracked =
      this.tracking && (marks & MARK_OWN) !== 0 && kernelName === 'NETFILTER_DROP' && place === 'nf_hook_slow';
    return {
      counts: countNoLoss || isLoss(kernelName, place, marks),
      kernelName,
      reason: label(tracked ? 'CONNTRACK_ADD_DROP' : labelOf(kernelName)),
      place: place ? label(place) : 0,
    };
  }

  /** The name the program found out, or else the host's. */
  private symbol(location: number): string {
    const key = new Uint8Array(8);
    new DataView(key.buffer).setBigUint64(0, BigInt(location), true);
    const found = this.options.handle.lookup('drop_symbols', key);
    if (!found) return this.options.kernel.symbol(BigInt(location) | KERNEL_HALF) ?? '';
    const end = found.indexOf(0);
    // a module's function is followed by " [module]"
    return new TextDecoder().decode(found.subarray(0, end < 0 ? found.length : end)).split(' ')[0]!;
  }
}
