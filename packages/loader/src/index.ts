import { native } from './native.ts';
import type { BpfMap, LoaderApi } from './types.ts';

export type * from './types.ts';
export { kernelFeatures, kernelSymbol, readKernelSymbols } from './kernel.ts';
export { deviceStatistics, netlinkRequest, netlinkSubscribe } from './netlink.ts';
export { openObject } from './object.ts';
export {
  addresses,
  addressesIn,
  defaultRoutes,
  inInitialNetns,
  interfaces,
  namedNamespaces,
  ownNetns,
  watchNetwork,
} from './network.ts';

/** A map of no object, such as the arrays of the tap chain. The caller disposes of it. */
export function createMap(spec: Parameters<LoaderApi['createMap']>[0]): BpfMap {
  return native().createMap(spec);
}

/**
 * Removes clsact filters whose process has ended, on every interface of this network namespace; ours are recognised by
 * handle, priority and a name that holds the process. A qdisc goes only if such a process had made it and nothing else is on
 * it. Returns how many filters were removed.
 */
export function removeStaleFilters(): Promise<number> {
  return native().removeStaleFilters();
}

/** Resolves when everything disposed of so far has left the kernel: detaching waits for running programs, off the event loop. */
export function settled(): Promise<void> {
  return native().settled();
}

/**
 * For a process that is to stay small: the C library (glibc) gives freed memory back at once and keeps it in few places, and
 * pages read from program files that nobody wrote to are let go; those needed again come back from the page cache. Holds for
 * the whole process, so a program calls it, never a library: at the start, and when starting is over.
 */
export function returnMemory(): void {
  native().returnMemory();
}
