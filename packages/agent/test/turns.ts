// Imported before an agent (`node --import`): keeps the longest turns of its event loop, by the CPU time of its thread and by
// the clock, each with what of it the thread waited for a core that others had. SIGUSR2 asks for them, and begins anew.
import { readFileSync } from 'node:fs';

const KEPT = 3;
/** Milliseconds. */
interface Turn {
  readonly cpu: number;
  /** By the clock, from the moment there was something to do. */
  readonly clock: number;
  readonly waited: number;
}
const SCHEDSTAT = `/proc/self/task/${process.pid}/schedstat`; // the main thread's id is the process's
let longest: Turn[] = [];
let asked = 0;
let last = times();

function times(): Turn {
  const { user, system } = process.threadCpuUsage();
  const waited = Number(readFileSync(SCHEDSTAT, 'utf8').split(' ')[1]) / 1e6;
  return { cpu: (user + system) / 1000, clock: performance.eventLoopUtilization().active, waited };
}

function turn(): void {
  const now = times();
  longest.push({ cpu: now.cpu - last.cpu, clock: now.clock - last.clock, waited: now.waited - last.waited });
  if (longest.length > 256) longest = [...new Set([...most(cpu), ...most(own)])];
  last = now;
  // One that keeps nobody awake: it runs once in each turn that there is.
  setImmediate(turn).unref();
}

const cpu = (turn: Turn) => turn.cpu;
/** Waiting before the loop woke is no part of a turn by the clock, but of this figure: never less than nothing. */
const own = ({ clock, waited }: Turn) => Math.max(0, clock - waited);

function most(by: (turn: Turn) => number): Turn[] {
  return longest.toSorted((a, b) => by(b) - by(a)).slice(0, KEPT);
}

process.on('SIGUSR2', () => {
  const byCpu = most(cpu).map((turn) => turn.cpu.toFixed(1));
  const byClock = most(own).map((turn) => `${own(turn).toFixed(1)} (+${Math.max(0, turn.waited).toFixed(1)})`);
  process.stdout.write(`turns ${++asked} CPU ${byCpu.join(' ')} | clock ${byClock.join(' ')}\n`);
  longest = [];
});
turn();
