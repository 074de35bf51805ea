// Imports nothing but Node: the reference is written where packages may not be built.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Accepted, AcceptedKernels } from './accepted.ts';

const INTRODUCTION = `# Kernels

What every plugin does on every kernel Retina claims: Debian's cloud kernels 5.10, 6.1, 6.12 and the newest one, each booted in an
emulator, and the kernel of the machine the tests ran on ("native"). The plugins' own code and objects run there as built, on
traffic of known size; "right" means that every number was the expected one. This page is what was accepted last
(\`test/kernels.json\` of each plugin); \`npm run test:kernels\` fails when a kernel does otherwise, or when a program grows by
more than 10 %.

- **tcx**, **clsact**: how programs hang on interfaces. tcx needs Linux 6.6; before, clsact is used, and nothing is missing.
- **tp_btf**, **raw_tp**: typed and raw tracepoints. Raw ones are used where the kernel refuses the typed.
- **plain user**: as uid 65532 with \`CAP_BPF\`, \`CAP_PERFMON\` and \`CAP_NET_ADMIN\` only, no new privileges, and 64 KiB of locked
  memory; on 5.10 also \`CAP_SYS_RESOURCE\`, since maps count as locked memory there.
- arm64: objects are compiled for it and their types checked; nothing has run on it.
`;

interface Plugin {
  readonly name: string;
  readonly kernels: AcceptedKernels;
}

/** The reference page of what is accepted, as Markdown. */
export function kernelsPage(root: string): string {
  const plugins = readAll(root);
  const names = [...new Set(plugins.flatMap(({ kernels }) => Object.keys(kernels)))];
  const order = ['5.10', '6.1', '6.12', 'newest', 'native'];
  names.sort((a, b) => order.indexOf(a) - order.indexOf(b));
  const releases = new Map(names.map((name) => [name, plugins.find(({ kernels }) => kernels[name])?.kernels[name]?.release ?? ''])); // prettier-ignore
  const summary = plugins.map(({ name, kernels }) => [name, ...names.map((kernel) => verdict(kernels[kernel]))]);
  return [
    INTRODUCTION,
    table(
      ['kernel', 'release'],
      names.map((name) => [name, `\`${releases.get(name)}\``]),
    ),
    table(['plugin', ...names], summary),
    ...plugins.map((plugin) => section(plugin, names)),
  ].join('\n');
}

function readAll(root: string): Plugin[] {
  return ['plugins', 'examples'].flatMap((group) =>
    readdirSync(join(root, group)).flatMap((name) => {
      const file = join(root, group, name, 'test', 'kernels.json');
      return existsSync(file) ? [{ name, kernels: JSON.parse(readFileSync(file, 'utf8')) as AcceptedKernels }] : [];
    }),
  );
}

function verdict(accepted: Accepted | undefined): string {
  if (!accepted) return '';
  const told = Object.values(accepted.findings).filter(Boolean);
  const hows = [...Object.values(accepted.hooks), ...new Set(told)].filter((how) => how === 'clsact' || how === 'raw_tp' || told.includes(how)); // prettier-ignore
  const state = accepted.state === 'running' ? 'right' : `${accepted.state}, else right`;
  return hows.length ? `${state} (${[...new Set(hows)].join(', ')})` : state;
}

function section({ name, kernels }: Plugin, names: readonly string[]): string {
  const row = (title: string, cell: (accepted: Accepted) => string | undefined) => [
    title,
    ...names.map((kernel) => (kernels[kernel] ? (cell(kernels[kernel]) ?? '') : '')),
  ];
  const keys = (of: (accepted: Accepted) => object) => [...new Set(Object.values(kernels).flatMap((one) => Object.keys(of(one))))]; // prettier-ignore
  const rows = [
    row('state', ({ state }) => state),
    row('plain user', ({ rights }) => rights ?? 'needs more'),
    ...keys(({ hooks }) => hooks).map((hook) => row(`hook \`${hook}\``, ({ hooks }) => hooks[hook])),
    ...keys(({ findings }) => findings).map((what) =>
      row(what, ({ findings }) =>
        what in findings ? ['right', findings[what]].filter(Boolean).join(', ') : undefined,
      ),
    ),
  ];
  const causes = Object.entries(kernels).flatMap(([kernel, accepted]) => accepted.causes.map((cause) => `- ${kernel}: ${cause}\n`)); // prettier-ignore
  const programs = keys((one) => one.programs).map((program) =>
    row(`\`${program}\``, (accepted) => size(accepted.programs[program])),
  );
  return [
    `## ${name}\n`,
    table(['', ...names], rows),
    ...(causes.length ? [`Degraded:\n\n${causes.join('')}`] : []),
    ...(programs.length ? [`Programs, each loaded alone: instructions / instructions the verifier went through.\n`, table(['', ...names], programs)] : []), // prettier-ignore
  ].join('\n');
}

function size(program: Accepted['programs'][string] | undefined): string {
  if (!program) return '';
  if (program.refused !== undefined) return 'refused';
  return program.verified === undefined ? String(program.xlated) : `${program.xlated} / ${program.verified}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |\n`; // prettier-ignore
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}
