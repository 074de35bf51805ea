import type { KernelFeatures } from '@retina/sdk';
import { native } from './native.ts';

type Probed = Omit<KernelFeatures, 'tracepointArguments' | 'enumNames' | 'symbol'>;

/** What the running kernel and this process's rights offer, probed now. Needs no privileges. */
export function kernelFeatures(): KernelFeatures {
  const addon = native();
  return {
    ...(addon.features() as unknown as Probed),
    tracepointArguments: (name) => addon.tracepointArguments(name),
    enumNames(name) {
      const pairs = addon.enumNames(name);
      const names = new Map<number, string>();
      for (let i = 0; i < pairs.length; i += 2) names.set(pairs[i] as number, pairs[i + 1] as string);
      return names;
    },
    symbol: kernelSymbol,
  };
}

/**
 * Name of the function that covers a kernel address, from /proc/kallsyms; undefined without CAP_SYSLOG. The first call reads
 * the symbols (some 100 ms) unless {@link readKernelSymbols} has.
 */
export function kernelSymbol(address: bigint): string | undefined {
  return native().kernelSymbol(address);
}

/** Reads the kernel's symbols off the event loop. False when it shows none (CAP_SYSLOG). */
export function readKernelSymbols(): Promise<boolean> {
  return native().readKernelSymbols();
}
