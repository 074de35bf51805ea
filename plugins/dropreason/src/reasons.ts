import type { KernelFeatures } from '@retina/sdk';
import { reasonAtPlace } from './places.ts';

/** Reason of a failed connect in the kernel program's records; no reason of the kernel. */
export const CONNECT_FAILED = 0xffff0001;

/** Enums with drop reasons: the core's, and those of subsystems, whose number is in the upper half of a reason. */
const ENUMS = ['skb_drop_reason', 'mac80211_drop_reason', 'ovs_drop_reason', 'qdisc_drop_reason'] as const;

/** Names that Retina's dashboards and alerts know, for what the kernel calls otherwise. */
const RETINA_NAMES: Readonly<Record<string, string>> = {
  NETFILTER_DROP: 'IPTABLE_RULE_DROP',
  TCP_LISTEN_OVERFLOW: 'TCP_ACCEPT_BASIC',
};

/** What the kernel says where it gives no reason. */
const NOT_SPECIFIED = 'NOT_SPECIFIED';

/** Names the running kernel's drop reasons: their numbers differ from kernel to kernel, the names hardly. */
export class Reasons {
  private readonly names = new Map<number, string>();
  private readonly subsystems = new Map<number, string>();
  /** Before 5.17 the kernel gave no reason at all; the place tells it. */
  private readonly byPlace: boolean;

  constructor(kernel: Pick<KernelFeatures, 'enumNames' | 'tracepointArguments'>) {
    this.byPlace = kernel.tracepointArguments('kfree_skb') < 3;
    for (const name of ENUMS) {
      for (const [value, text] of kernel.enumNames(name)) this.names.set(value >>> 0, withoutPrefix(text));
    }
    for (const [value, text] of kernel.enumNames('skb_drop_reason_subsys')) {
      this.subsystems.set(value, text.replace(/^SKB_DROP_REASON_SUBSYS_/, ''));
    }
  }

  /** The kernel's own name, without `SKB_DROP_REASON_`. */
  kernelName(reason: number, place: string): string {
    if (reason === CONNECT_FAILED) return 'TCP_CONNECT_BASIC';
    if (this.byPlace) return reasonAtPlace(place) ?? (place || NOT_SPECIFIED);
    const name = this.names.get(reason);
    if (name) return name;
    const subsystem = reason >>> 16;
    if (subsystem === 0) return `REASON_${reason}`;
    return `${this.subsystems.get(subsystem) ?? `SUBSYSTEM_${subsystem}`}_${reason & 0xffff}`;
  }

  /** The number of a reason by the kernel's own name; undefined where the kernel has none of that name. */
  number(kernelName: string): number | undefined {
    for (const [value, name] of this.names) if (name === kernelName) return value;
    return undefined;
  }

  /** Every reason of the kernel's core: number and name. */
  *core(): Iterable<readonly [number, string]> {
    for (const [value, name] of this.names) if (value >>> 16 === 0) yield [value, name];
  }
}

/** The value of the `reason` label: Retina's name where it has one, else the kernel's. */
export function labelOf(kernelName: string): string {
  return RETINA_NAMES[kernelName] ?? kernelName;
}

function withoutPrefix(name: string): string {
  // SKB_CONSUMED, but SKB_DROP_REASON_SKB_CSUM
  return name.startsWith('SKB_DROP_REASON_') ? name.slice('SKB_DROP_REASON_'.length) : name.replace(/^SKB_/, '');
}
