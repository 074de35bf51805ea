import { asAccepted, changes, faults, readAccepted } from './accepted.ts';
import type { KernelResult, Line, Task } from './results.ts';

/** One test is one plugin on one kernel, or the agent as a plain user there. */
export interface Outcome {
  passed: number;
  failed: number;
  skipped: number;
  readonly problems: string[];
}

/** Shows what happens while it does. */
export function told(kernel: string, line: Line): void {
  const say = (text: string) => void process.stderr.write(`  ${kernel.padEnd(7)} ${text}\n`);
  if (line.kind === 'kernel') say(`up: ${line.release}`);
  if (line.kind === 'plugin') {
    const { name, state, findings, error, seconds } = line.result;
    const right = findings.filter((finding) => finding.right).length;
    say(`${name}: ${error === undefined ? state : 'failed'}, ${right} of ${findings.length} right (${seconds} s)`);
  }
  if (line.kind === 'floor') say(`without types: ${line.result.error ?? 'every plugin says so'}`);
  if (line.kind === 'clock') say(`clock set on and back: ${line.result.error ?? `${line.result.compared} of ${line.result.compared} right`}`); // prettier-ignore
  if (line.kind === 'rights') say(`as a plain user: ${line.result.error ?? Object.entries(line.result.plugins).map(([name, state]) => `${name} ${state}`).join(', ')}`); // prettier-ignore
}

/** Counts what one kernel did. */
export function judge(kernel: KernelResult, task: Task, outcome: Outcome): void {
  const count = (who: string, problems: readonly string[]) => {
    if (problems.length) outcome.failed++;
    else outcome.passed++;
    outcome.problems.push(...problems.map((problem) => `${kernel.name}, ${who}: ${problem}`));
  };
  for (const plugin of task.plugins) {
    const result = kernel.plugins.find(({ name }) => name === plugin.name);
    if (!result) {
      count(plugin.name, ['it was not reached']);
      continue;
    }
    const before = readAccepted(plugin.folder)[kernel.name];
    // the machine's own kernel is another one on another machine, and the newest one moves: then only faults count
    const same = !before || line(before.release) === line(kernel.release);
    count(plugin.name, [...faults(kernel, result), ...(same ? changes(asAccepted(kernel, result), before) : [])]);
  }
  const rights = kernel.rights?.error ?? kernel.error ?? (kernel.rights ? undefined : 'it was not reached');
  count('the agent as a plain user', rights === undefined ? [] : [rights]);
  if (kernel.clock) count('the clock set on and back', kernel.clock.error === undefined ? [] : [kernel.clock.error]);
  if (kernel.floor) count('the agent without types', kernel.floor.error === undefined ? [] : [kernel.floor.error]);
}

/** Who has a problem on a kernel: plugins by name, and the agent. */
export function problemsOf(kernel: KernelResult, task: Task): string[] {
  const outcome: Outcome = { passed: 0, failed: 0, skipped: 0, problems: [] };
  judge(kernel, task, outcome);
  return [...new Set(outcome.problems.map((problem) => problem.slice(kernel.name.length + 2).split(': ')[0]!))];
}

/** What a second try found, beside what was right at the first. */
export function merged(first: KernelResult, second: KernelResult): KernelResult {
  const { error: _, ...whole } = first;
  const tried = new Set(second.plugins.map(({ name }) => name));
  return {
    ...whole,
    release: second.release || first.release,
    plugins: [...first.plugins.filter(({ name }) => !tried.has(name)), ...second.plugins],
    rights: first.rights?.error === undefined && first.rights ? first.rights : second.rights,
    floor: first.floor?.error === undefined && first.floor ? first.floor : second.floor,
    clock: first.clock?.error === undefined && first.clock ? first.clock : second.clock,
    seconds: first.seconds + second.seconds,
    ...(second.error !== undefined && { error: second.error }),
  };
}

/** Major and minor version. */
function line(release: string): string {
  return /^\d+\.\d+/.exec(release)?.[0] ?? release;
}

/** The table of all kernels and plugins, what is wrong, and the closing line. */
export function show(kernels: readonly KernelResult[], task: Task, outcome: Outcome): string {
  const width = Math.max(...task.plugins.map(({ name }) => name.length), 6);
  const cells = (first: string, rest: readonly string[]) => `${first.padEnd(width)}  ${rest.map((cell) => cell.padEnd(14)).join('')}`.trimEnd(); // prettier-ignore
  const rows = task.plugins.map(({ name }) =>
    cells(
      name,
      kernels.map((kernel) => {
        const result = kernel.plugins.find((one) => one.name === name);
        if (!result) return '-';
        const bad = outcome.problems.some((problem) => problem.startsWith(`${kernel.name}, ${name}: `));
        return bad ? 'WRONG' : `${result.state} ${result.findings.length}`;
      }),
    ),
  );
  const head = cells('', kernels.map(({ name }) => name)); // prettier-ignore
  const time = cells('seconds', kernels.map(({ seconds }) => String(seconds))); // prettier-ignore
  const problems = outcome.problems.map((problem) => `✗ ${problem}`);
  const { passed, failed, skipped } = outcome;
  const next = failed && kernels.length ? ['If what is found is right: npm run test:kernels -- --accept'] : [];
  return `${['', head, ...rows, time, '', ...problems, ...next, `${passed} passed, ${failed} failed, ${skipped} skipped`].join('\n')}\n`;
}
