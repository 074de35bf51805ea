import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What a process uses, from /proc. */
export interface Usage {
  /** Nanoseconds on a CPU since it began, all threads that are still alive. */
  readonly cpuNanos: number;
  /** The same by thread, under `NAME/TID`. */
  readonly threads: Readonly<Record<string, number>>;
  /** How often its threads went to sleep and were woken again, since it began. */
  readonly wakeUps: number;
  readonly rssBytes: number;
  readonly peakRssBytes: number;
}

export function usage(pid: number): Usage {
  const threads: Record<string, number> = {};
  let [cpuNanos, wakeUps] = [0, 0];
  for (const tid of readdirSync(`/proc/${pid}/task`)) {
    try {
      const nanos = Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[0]);
      const name = readFileSync(`/proc/${pid}/task/${tid}/comm`, 'utf8').trim();
      threads[`${name}/${tid}`] = nanos;
      cpuNanos += nanos;
      const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8');
      wakeUps += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0);
    } catch {
      // The thread has ended meanwhile.
    }
  }
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const kib = (field: string) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1] ?? 0);
  return { cpuNanos, threads, wakeUps, rssBytes: kib('VmRSS') * 1024, peakRssBytes: kib('VmHWM') * 1024 };
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

/** BPF objects a process holds, by kernel id. A link's program stays attached as long as somebody holds the link. */
export interface HeldBpf {
  readonly programs: readonly {
    readonly id: number;
    /** `BPF_PROG_TYPE_*`. */
    readonly type: number;
    /** Runs, and nanoseconds of them, since the program was loaded: counted while `kernel.bpf_stats_enabled` is set, else 0. */
    readonly runs: number;
    readonly nanos: number;
  }[];
  /** Kernel ids. */
  readonly maps: readonly number[];
  readonly links: readonly {
    readonly id: number;
    readonly type: string;
    /** Kernel id of its program. */
    readonly program: number;
    readonly ifindex: number | undefined;
  }[];
  /** What the kernel charges for the maps. */
  readonly mapBytes: number;
}

export function heldBpf(pid: number | 'self' = 'self'): HeldBpf {
  const programs = new Map<number, HeldBpf['programs'][number]>();
  const maps = new Map<number, number>();
  const links = new Map<number, HeldBpf['links'][number]>();
  for (const fd of readdirSync(`/proc/${pid}/fdinfo`)) {
    let info: string;
    try {
      info = readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8');
    } catch {
      continue; // closed meanwhile
    }
    const field = (name: string) => new RegExp(`^${name}:\\s*(\\S+)`, 'm').exec(info)?.[1];
    const [program, map, link] = [field('prog_id'), field('map_id'), field('link_id')];
    // a link tells its program's id as well, without its figures
    if (program && !link) {
      programs.set(Number(program), {
        id: Number(program),
        type: Number(field('prog_type')),
        runs: Number(field('run_cnt') ?? 0),
        nanos: Number(field('run_time_ns') ?? 0),
      });
    }
    if (map) maps.set(Number(map), Number(field('memlock') ?? 0));
    if (link) {
      const ifindex = field('ifindex');
      links.set(Number(link), {
        id: Number(link),
        type: field('link_type') ?? '',
        program: Number(program ?? 0),
        ifindex: ifindex ? Number(ifindex) : undefined,
      });
    }
  }
  return {
    programs: [...programs.values()],
    maps: [...maps.keys()],
    links: [...links.values()],
    mapBytes: [...maps.values()].reduce((sum, bytes) => sum + bytes, 0),
  };
}
