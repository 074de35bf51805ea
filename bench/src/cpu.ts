import { usage } from '@retina/testkit';

/** CPU time of a process. */
export interface Share {
  /** Of one core, 0 to the number of cores. */
  readonly share: number;
  readonly threads: Readonly<Record<string, number>>;
}

const ROUNDS = 3;

/** What a process uses while `work` runs, in the quietest of some rounds: neighbours in the caches only ever add to it. */
export async function quietest(pid: number, quick: boolean, work: () => Promise<void>): Promise<Share> {
  const rounds: Share[] = [];
  for (let round = 0; round < (quick ? 1 : ROUNDS); round++) rounds.push(await cpu(pid, work));
  return rounds.reduce((best, one) => (one.share < best.share ? one : best));
}

/** What a process uses while `work` runs. */
async function cpu(pid: number, work: () => Promise<void>): Promise<Share> {
  const before = usage(pid);
  const start = process.hrtime.bigint();
  await work();
  const nanos = Number(process.hrtime.bigint() - start);
  const after = usage(pid);
  const threads = Object.fromEntries(
    Object.entries(after.threads).map(([name, value]) => [name, (value - (before.threads[name] ?? 0)) / nanos]),
  );
  return { share: (after.cpuNanos - before.cpuNanos) / nanos, threads };
}
