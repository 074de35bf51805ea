// npm run test:kernels: boots every kernel, tests every plugin on it, compares with what is accepted.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { accept } from './accepted.ts';
import { rootImage } from './image.ts';
import { type Kernel, KERNELS, Unavailable } from './kernels.ts';
import { findTask } from './plugins.ts';
import { type Prepared, prepare } from './prepared.ts';
import { judge, merged, type Outcome, problemsOf, show, told } from './report.ts';
import type { KernelResult, Task } from './results.ts';
import { testKernel, testNative } from './run.ts';

/** Kernels at a time: each has two CPUs, as most machines that test have. */
const AT_ONCE = 2;
const USAGE = `usage: npm run test:kernels -- [--accept] [--kernel NAME]… [--plugin NAME]… [--look] [--report FILE]

  --accept   take what is found as right: verdicts, hooks, sizes of programs (wrong numbers stay wrong)
  --kernel   only this one: ${KERNELS.map(({ name }) => name).join(', ')}, native; may be given several times
  --plugin   only this one, by its name; may be given several times
  --look     ask the mirror for newer builds now, not once a week
  --report   also write {passed, failed, skipped} there
`;

const { values: options } = parseArgs({
  options: {
    accept: { type: 'boolean', default: false },
    kernel: { type: 'string', multiple: true, default: [] },
    plugin: { type: 'string', multiple: true, default: [] },
    look: { type: 'boolean', default: false },
    report: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const known = [...KERNELS.map(({ name }) => name), 'native'];
const unknown = options.kernel.filter((name) => !known.includes(name));
if (unknown.length) {
  process.stderr.write(`found: --kernel ${unknown.join(' ')}; needed: one of ${known.join(', ')}\n${USAGE}`);
  process.exit(2);
}

const ci = process.env['CI'] === 'true';
const wanted = (name: string) => options.kernel.length === 0 || options.kernel.includes(name);
const task = findTask(options.plugin);
const outcome: Outcome = { passed: 0, failed: 0, skipped: 0, problems: [] };
const results: KernelResult[] = [];

/** It waits more than it works: the others need not wait for it. */
const native = process.getuid?.() === 0 && wanted('native') ? testNative(task, told) : undefined;
if (wanted('native') && !native) leaveOut('native', 'it needs root');
const ready: Prepared[] = [];
for (const kernel of KERNELS.filter(({ name }) => wanted(name))) {
  const prepared = await available(kernel);
  if (prepared) ready.push(prepared);
}
if (ready.length) results.push(...(await inEmulators(ready, task)));
if (native) results.push(await native);
if (!options.accept) await onceMore();
results.sort((a, b) => known.indexOf(a.name) - known.indexOf(b.name));
if (options.accept) for (const plugin of task.plugins) accept(plugin, results);
for (const kernel of results) judge(kernel, task, outcome);
process.stdout.write(show(results, task, outcome));
if (options.report) {
  mkdirSync(dirname(options.report), { recursive: true });
  const { passed, failed, skipped } = outcome;
  writeFileSync(options.report, JSON.stringify({ passed, failed, skipped }));
}
process.exit(outcome.failed ? 1 : 0);

async function available(kernel: Kernel): Promise<Prepared | undefined> {
  try {
    return await prepare(kernel, options.look);
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error;
    leaveOut(kernel.name, error.message);
    return undefined;
  }
}

/** A kernel that cannot be tested here: under CI that is a failure. */
function leaveOut(name: string, why: string): void {
  if (ci) {
    outcome.failed++;
    outcome.problems.push(`${name}: not tested: ${why}`);
  } else {
    outcome.skipped++;
    process.stderr.write(`  left out: ${name}: ${why}\n`);
  }
}

/** An emulated machine starves where its host is busy: what went wrong is tried once more, and counts if it does so again. */
async function onceMore(): Promise<void> {
  for (const [at, first] of results.entries()) {
    const wrong = problemsOf(first, task);
    if (wrong.length === 0) continue;
    const names = task.plugins.filter(({ name }) => wrong.includes(name));
    const part = names.length === wrong.length ? { ...task, plugins: names } : task;
    process.stderr.write(`  ${first.name.padEnd(7)} once more: ${wrong.join(', ')}\n`);
    const prepared = ready.find(({ kernel }) => kernel.name === first.name);
    const [second] = prepared ? await inEmulators([prepared], part) : [await testNative(part, told)];
    if (second) results[at] = merged(first, second);
  }
}

async function inEmulators(kernels: readonly Prepared[], task: Task): Promise<KernelResult[]> {
  const results: KernelResult[] = [];
  const folder = mkdtempSync(join(tmpdir(), 'retina-kernels-'));
  try {
    const root = join(folder, 'root.ext4');
    await rootImage(root, task);
    const waiting = [...kernels];
    const worker = async () => {
      for (let next = waiting.shift(); next; next = waiting.shift()) {
        results.push(await testKernel(next, root, folder, told));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return results;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
