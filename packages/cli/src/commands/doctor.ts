import { createServer } from 'node:net';
import { COMPONENTS_FROM } from '@retina/agent';
import { AgentClient } from '@retina/agent/api';
import type { Config, DoctorComponent, DoctorReport, Finding } from '@retina/core';
import { paint, tableText, write, writeDocument, type Format, type OutputColumn } from '../output.ts';

/** Where the original serves, and everything that scrapes it looks. */
const PROMETHEUS_PORT = 10_093;

export interface DoctorOptions {
  readonly config?: string;
  readonly output?: Format;
}

/** `retina doctor`: what would run here, and what to do about the rest. Never fails for what it finds. */
export async function doctor({ config: file, output = 'table' }: DoctorOptions): Promise<void> {
  const core = await import('@retina/core');
  const { config } =
    file === undefined ? core.defaultConfig() : await core.checkConfig({ file }, { from: COMPONENTS_FROM });
  const report = await core.doctor({ config, from: COMPONENTS_FROM });
  if (output === 'json' || output === 'yaml') return writeDocument(report, output);
  writeKernel(report);
  for (const text of await portTexts(config)) write(line('Port', text));
  write('');
  write(tableText(COLUMNS, report.components, output));
  const todo = advice(report);
  if (todo.length === 0) return write(`\n${paint()('green', 'Everything would run.')}`);
  write('');
  for (const text of todo) write(text);
}

function writeKernel(report: DoctorReport): void {
  const { kernel, native } = report;
  const colour = paint();
  const mark = (good: boolean, text: string) =>
    `${colour(good ? 'green' : 'red', good ? 'yes' : 'no')}${text && ` (${text})`}`;
  const lines: readonly (readonly [string, string])[] = [
    [
      'Kernel',
      `${kernel.release} ${kernel.architecture}, ${kernel.possibleCpus} CPUs${kernel.preemptRt ? ', PREEMPT_RT' : ''}`,
    ],
    ['Type information', mark(kernel.btf, kernel.btf ? 'BTF' : 'no /sys/kernel/btf/vmlinux')],
    ['Tap hooks', kernel.tcx ? 'tcx' : 'clsact (tcx needs 6.6)'],
    ['Ring buffer', mark(kernel.ringBuffer, kernel.ringBuffer ? '' : 'needs 5.8')],
    ['Native loader', mark(!native, native ? (native.found ?? native.summary) : '')],
    ['Capabilities', capabilities(report)],
  ];
  for (const [name, text] of lines) write(line(name, text));
}

function line(name: string, text: string): string {
  return `${paint()('bold', `${name}:`.padEnd(18))} ${text}`;
}

/** Only those that anything needs: root has forty. */
function capabilities({ kernel, components, missingCapabilities }: DoctorReport): string {
  const needed = [...new Set(components.flatMap((c) => c.needs.capabilities))];
  const held = needed.filter((c) => kernel.capabilities.includes(c)).join(', ') || 'none';
  return missingCapabilities.length ? `${held}; ${paint()('red', 'missing')}: ${missingCapabilities.join(', ')}` : held;
}

/** Whether each exporter's port is free, by binding it for a moment. */
async function portTexts({ exporters }: Config): Promise<string[]> {
  const texts: string[] = [];
  for (const [name, { options, inherited }] of Object.entries(exporters)) {
    const defaults = name === 'prometheus' ? { port: PROMETHEUS_PORT } : {};
    const { host = '0.0.0.0', port } = { ...defaults, ...inherited, ...options } as { host?: unknown; port?: unknown };
    if (typeof host !== 'string' || typeof port !== 'number' || port === 0) continue;
    texts.push(`${port} for ${name}: ${await holder(host, port)}`);
  }
  return texts;
}

async function holder(host: string, port: number): Promise<string> {
  const problem = await new Promise<string | undefined>((resolve) => {
    const server = createServer().once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
  if (!problem) return 'free';
  const agent = await new AgentClient().status().catch(() => undefined);
  const served = agent?.endpoints.some((url) => new URL(url).port === String(port));
  return served ? `served by the agent that runs (pid ${agent!.pid})` : paint()('yellow', `not free (${problem})`);
}

const COLUMNS: readonly OutputColumn<DoctorComponent>[] = [
  { title: 'COMPONENT', value: (c) => c.name },
  { title: 'KIND', value: (c) => c.kind },
  { title: 'RUNS', value: (c) => (c.runs ? 'yes' : 'no') },
  { title: 'NEEDS', value: needsText, shrinkTo: 12 },
  { title: 'STABILITY', value: (c) => c.stability ?? '', wide: true },
  { title: 'WHY NOT', value: (c) => c.findings.map((f) => f.found ?? f.summary).join('; '), shrinkTo: 10 },
];

function needsText({ needs }: DoctorComponent): string {
  const parts = [...needs.capabilities];
  if (needs.kernel) parts.push(`kernel ${needs.kernel}`);
  if (needs.btf) parts.push('BTF');
  return parts.join(', ');
}

/** What to do, each thing once, with the components it is for. */
function advice({ components, missingCapabilities, native }: DoctorReport): string[] {
  const colour = paint();
  const todo: string[] = [];
  if (missingCapabilities.length) {
    const caps = missingCapabilities.map((c) => `cap_${c.toLowerCase()}`).join(',');
    todo.push(
      `${colour('bold', 'To grant what is missing')}, start the agent with sudo, or as a service with` +
        ` AmbientCapabilities=${missingCapabilities.map((c) => `CAP_${c}`).join(' ')}, or once:`,
      `  sudo setcap ${caps}+ep ${process.execPath}`,
    );
  }
  if (native?.next) todo.push(`${colour('bold', 'The native loader')}: ${native.next}`);
  const others = new Map<string, { finding: Finding; names: string[] }>();
  for (const { name, findings } of components) {
    for (const finding of findings) {
      if (['RETINA_CAPABILITY_MISSING', 'RETINA_NATIVE_MISSING'].includes(finding.code)) continue;
      const entry = others.get(finding.summary) ?? { finding, names: [] };
      entry.names.push(name);
      others.set(finding.summary, entry);
    }
  }
  for (const { finding, names } of others.values()) {
    todo.push(`${colour('bold', names.join(', '))}: ${finding.summary}${finding.next ? `; ${finding.next}` : ''}`);
  }
  return todo;
}
