import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What a process uses, from /proc. */
export interface Usage {
  /** Nanoseconds on a CPU since it began, all threads that are still alive. */
  readonly cpuNanos: number;
  /** The same by thread, under `NAME/TID`. */
  readonly threads: Readonly<Record<string, number>>;
  readonly rssBytes: number;
  readonly peakRssBytes: number;
}

export function usage(pid: number): Usage {
  const threads: Record<string, number> = {};
  let cpuNanos = 0;
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    try {
      const nanos = Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[0]);
      const name = readFileSync(`/proc/${pid}/task/${tid}/comm`, 'utf8').trim();
      threads[`${name}/${tid}`] = nanos;
      cpuNanos += nanos;
    } catch {
      // The thread has ended meanwhile.
    }
  }
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kib = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
  return { cpuNanos, threads, rssBytes: kib('VmRSS') * 1024, peakRssBytes: kib('VmHWM') * 1024 };
}

/** Open descriptors by what they are: `bpf-map`, `bpf-prog`, `bpf_link`, `socket`, `file`, … Links and programs live exactly as long as these. */
export function descriptors(pid: number | 'self' = 'self'): Readonly<Record<string, number>> {
  const kinds: Record<string, number> = {};
  for (const fd of readdirSync(`/proc/${pid}/fd`)) {
    let kind: string;
    try {
      const target = readlinkSync(`/proc/${pid}/fd/${fd}`);
      kind = /^anon_inode:\[?([^\]]+)\]?$/.exec(target)?.[1] ?? /^(socket|pipe|net):/.exec(target)?.[1] ?? 'file';
    } catch {
      continue; // the descriptor of this very listing
    }
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  return kinds;
}
