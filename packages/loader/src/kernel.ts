import type { KernelFeatures } from '@retina/sdk';
import { native } from './native.ts';
import type { Native } from './native.ts';

type Probed = Omit<KernelFeatures, 'tracepointArguments' | 'enumNames' | 'symbol'>;

const KEEP_TYPES_MS = 2000;
let release: NodeJS.Timeout | undefined;

/** The kernel's parsed types serve several questions in a row, but are not worth their memory for the life of a process. */
function asking(): Native {
  clearTimeout(release);
  release = setTimeout(() => native().releaseTypes(), KEEP_TYPES_MS).unref();
  return native();
}

/** What the running kernel and this process's rights offer, probed now (some 10 ms). Needs no privileges. */
export function kernelFeatures(): KernelFeatures {
  return {
    ...(asking().features() as unknown as Probed),
    tracepointArguments: (name) => asking().tracepointArguments(name),
    enumNames(name) {
      const pairs = asking().enumNames(name);
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
