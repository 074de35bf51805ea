import { accessSync, constants, readFileSync } from 'node:fs';
import { arch, availableParallelism, release } from 'node:os';
import type { LoaderApi } from '@retina/loader';
import { RetinaError, type KernelFeatures, type Logger } from '@retina/sdk';

/** Capability bits that plugins ask for, by number (linux/capability.h). */
const CAPABILITIES: Readonly<Record<number, string>> = {
  1: 'DAC_OVERRIDE', 2: 'DAC_READ_SEARCH', 12: 'NET_ADMIN', 13: 'NET_RAW', 14: 'IPC_LOCK', 16: 'SYS_MODULE', 19: 'SYS_PTRACE',
  21: 'SYS_ADMIN', 24: 'SYS_RESOURCE', 34: 'SYSLOG', 38: 'PERFMON', 39: 'BPF', 40: 'CHECKPOINT_RESTORE',
}; // prettier-ignore

/** The native loader and what it says about this node; where it cannot be had, why, and what can be told without it. */
export interface NativePart {
  readonly loader: LoaderApi | undefined;
  readonly kernel: KernelFeatures;
  /** Why there is no loader. */
  readonly missing: RetinaError | undefined;
}

/** Loads `@retina/loader`, unless another one is given, or null for none. */
export async function nativePart(given: LoaderApi | null | undefined): Promise<NativePart> {
  if (given === null) {
    const missing = new RetinaError('RETINA_NATIVE_MISSING', 'this host was started without a native loader', {
      next: 'start it with one to load BPF objects',
    });
    return { loader: undefined, kernel: plainFeatures(), missing };
  }
  try {
    const loader = given ?? (await import('@retina/loader'));
    return { loader, kernel: loader.kernelFeatures(), missing: undefined };
  } catch (error) {
    const missing = RetinaError.from(error, 'RETINA_NATIVE_MISSING', 'the native loader cannot be used');
    return { loader: undefined, kernel: plainFeatures(), missing };
  }
}

/** What the system's own files tell. */
function plainFeatures(): KernelFeatures {
  const [major = 0, minor = 0] = release()
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  const newer = (a: number, b: number) => major > a || (major === a && minor >= b);
  return {
    release: release(),
    version: [major, minor],
    architecture: arch(),
    btf: readable('/sys/kernel/btf/vmlinux'),
    tcx: newer(6, 6),
    ringBuffer: newer(5, 8),
    capabilities: effectiveCapabilities(),
    preemptRt: readable('/sys/kernel/realtime'),
    possibleCpus: availableParallelism(),
    tracepointArguments: () => -1,
    enumNames: () => new Map(),
    symbol: () => undefined,
  };
}

function effectiveCapabilities(): readonly string[] {
  try {
    const hex = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
    const bits = BigInt(`0x${hex}`);
    return Object.entries(CAPABILITIES).flatMap(([bit, name]) => ((bits >> BigInt(bit)) & 1n ? [name] : []));
  } catch {
    return [];
  }
}

function readable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** Removes filters that an earlier agent left. What goes wrong with it keeps nobody from starting. */
export async function removeLeftovers({ loader }: NativePart, log: Logger): Promise<void> {
  await loader?.removeStaleFilters().then(
    (removed) => removed && log.info('filters that an earlier agent left are removed', { removed }),
    (error: unknown) => log.debug('no look for filters of an earlier agent', { error: String(error) }),
  );
}
