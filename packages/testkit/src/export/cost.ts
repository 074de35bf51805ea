import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readSync } from 'node:fs';
import type { MetricFamily } from '@retina/sdk';

/** The longest one turn of the event loop took, in milliseconds. */
export interface Turns {
  /** Of this thread's processor time: what else runs on the machine does not show. */
  readonly cpu: number;
  /** Of time as others feel it. */
  readonly wall: number;
  /** Of that, without what the main thread waited for a core that something else had: what others feel where one is free. */
  readonly own: number;
}

/**
 * Watches the event loop: at each of its turns, which keeps it busy, or once in a millisecond, which may take several turns for one. The
 * result ends it.
 */
export function watchTurns(each: 'turn' | 'millisecond' = 'turn'): () => Turns {
  let [cpu, wall, own] = [0, 0, 0];
  const schedule = openSchedule();
  let used = process.threadCpuUsage();
  let [at, waited] = [performance.now(), schedule.waited()];
  let watching = true;
  const look = () => {
    if (!watching) return;
    const [nowUsed, now, nowWaited] = [process.threadCpuUsage(), performance.now(), schedule.waited()];
    cpu = Math.max(cpu, nowUsed.user + nowUsed.system - used.user - used.system);
    wall = Math.max(wall, now - at);
    own = Math.max(own, now - at - (nowWaited - waited));
    [used, at, waited] = [nowUsed, now, nowWaited];
    if (each === 'turn') setImmediate(look);
  };
  const timer = each === 'turn' ? undefined : setInterval(look, 1);
  if (!timer) setImmediate(look);
  return () => {
    watching = false;
    clearInterval(timer);
    schedule[Symbol.dispose]();
    return { cpu: Math.round(cpu / 100) / 10, wall: Math.round(wall * 10) / 10, own: Math.round(own * 10) / 10 };
  };
}

/** Milliseconds the main thread was ready to run and did not, since it began; 0 where the kernel does not tell. */
function openSchedule(): { waited(): number } & Disposable {
  const text = Buffer.alloc(128);
  let file: number | undefined;
  try {
    file = openSync('/proc/self/schedstat', 'r');
  } catch {
    return { waited: () => 0, [Symbol.dispose]: () => undefined };
  }
  return {
    waited: () => Number(text.toString('latin1', 0, readSync(file, text, 0, text.length, 0)).split(' ')[1]) / 1e6,
    [Symbol.dispose]: () => closeSync(file),
  };
}

/** Memory of this process, in MiB; after a collection where `--expose-gc` allows one. */
export function residentMiB(): number {
  globalThis.gc?.();
  return Math.round(process.memoryUsage.rss() / 2 ** 20);
}

/** A receiver in a process of its own, so that a benchmark's figures are the exporter's. */
export class ReceiverProcess implements Disposable {
  readonly port: number;
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess, port: number) {
    this.child = child;
    this.port = port;
  }

  /** Runs `file` with these arguments and this process's Node options; it calls {@link ReceiverProcess.answer}. */
  static async start(file: string, ...args: string[]): Promise<ReceiverProcess> {
    const child = fork(file, args, { execArgv: process.execArgv });
    const [port] = (await once(child, 'message')) as [number];
    return new ReceiverProcess(child, port);
  }

  /** In the receiver's process: where it listens, and from then on how much it has received. */
  static answer(port: number, bytes: () => number): void {
    process.on('message', () => process.send!(bytes()));
    process.on('disconnect', () => process.exit());
    process.send!(port);
  }

  async bytes(): Promise<number> {
    this.child.send('bytes');
    return ((await once(this.child, 'message')) as [number])[0];
  }

  [Symbol.dispose](): void {
    this.child.kill();
  }
}

/** What work costs: done once for the processor, time and bytes, once more for the turns of the event loop. */
export async function costOf(work: () => Promise<unknown>, receiver: ReceiverProcess): Promise<Record<string, number>> {
  const bytes = await receiver.bytes();
  const [cpu, own] = [process.cpuUsage(), process.threadCpuUsage()];
  const began = performance.now();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  const thread = process.threadCpuUsage(own);
  const wall = performance.now() - began;
  const sent = (await receiver.bytes()) - bytes;
  const turns = watchTurns();
  await work();
  const { cpu: turn, wall: pause } = turns();
  return {
    'CPU ms': Math.round((user + system) / 1000),
    'of it event loop ms': Math.round((thread.user + thread.system) / 1000),
    'wall ms': Math.round(wall),
    'longest turn, CPU ms': turn,
    'longest turn, wall ms': pause,
    'wire MB': Math.round(sent / 1e4) / 100,
  };
}

/** A pod-level counter with six labels, `n` series. */
export function podFamily(n: number, value: (row: number) => number): MetricFamily {
  const label = [
    () => 'ingress',
    (i: number) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
    (i: number) => `namespace-${i % 50}`,
    (i: number) => `web-7d4b9c6f5-${i.toString(36)}`,
    () => 'Deployment',
    (i: number) => `web-${i % 2000}`,
  ];
  return {
    name: 'networkobservability_adv_forward_bytes', help: 'Bytes forwarded.', kind: 'counter', unit: 'bytes',
    labels: ['direction', 'ip', 'namespace', 'podname', 'workload_kind', 'workload_name'], size: n,
    live: () => true, value, label: (i, j) => label[j]!(i), created: () => 1_700_000_000_000,
  }; // prettier-ignore
}
