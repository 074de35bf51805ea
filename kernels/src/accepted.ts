import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { KERNELS } from './kernels.ts';
import type { KernelResult, PluginResult, PluginTask, ProgramResult } from './results.ts';

/** Programs may grow by this much before somebody has to accept it; very small ones by some instructions. */
const GROWTH = 1.1;
const FEW = 32;
const SIZES = ['xlated', 'jited', 'verified'] as const;

/** What a plugin does on one kernel, as accepted: lies in the plugin's folder, for it is the plugin's. */
export interface Accepted {
  readonly release: string;
  readonly state: string;
  readonly causes: readonly string[];
  /** State when the agent runs as a plain user; absent where the plugin needs more than the three capabilities. */
  readonly rights?: string;
  readonly hooks: Readonly<Record<string, string>>;
  /** What was compared, and how this kernel tells it; empty where it tells it as the best one does. */
  readonly findings: Readonly<Record<string, string>>;
  readonly programs: Readonly<Record<string, Omit<ProgramResult, 'name'>>>;
}

export type AcceptedKernels = Readonly<Record<string, Accepted>>;

function acceptedFile(folder: string): string {
  return join(folder, 'test', 'kernels.json');
}

export function readAccepted(folder: string): AcceptedKernels {
  const file = acceptedFile(folder);
  return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as AcceptedKernels) : {};
}

/** Writes what was found as accepted. Kernels that were not run, and those on which something is wrong, stay as they are. */
export function accept(plugin: PluginTask, kernels: readonly KernelResult[]): void {
  const all: Record<string, Accepted> = { ...readAccepted(plugin.folder) };
  for (const kernel of kernels) {
    if (!kernel.rights || kernel.rights.error !== undefined) continue; // it did not come to its end
    const result = kernel.plugins.find(({ name }) => name === plugin.name);
    if (result && faults(kernel, result).length === 0) all[kernel.name] = asAccepted(kernel, result);
  }
  const order = [...KERNELS.map(({ name }) => name), 'native'];
  const sorted = Object.entries(all).sort(([a], [b]) => order.indexOf(a) - order.indexOf(b));
  writeFileSync(acceptedFile(plugin.folder), `${JSON.stringify(Object.fromEntries(sorted), null, 2)}\n`);
}

export function asAccepted(kernel: KernelResult, result: PluginResult): Accepted {
  const rights = kernel.rights?.plugins[result.name];
  return {
    release: kernel.release,
    state: result.state,
    causes: result.causes,
    ...(rights !== undefined && { rights }),
    hooks: result.hooks,
    findings: Object.fromEntries(result.findings.map(({ what, how }) => [what, how ?? ''])),
    programs: Object.fromEntries(result.programs.map(({ name, ...rest }) => [name, rest])),
  };
}

/** What is wrong with a plugin on a kernel, whatever was accepted before. */
export function faults(kernel: KernelResult, result: PluginResult): string[] {
  const problems: string[] = [];
  if (result.error !== undefined) problems.push(result.error);
  else if (result.state !== 'running' && result.state !== 'degraded') {
    problems.push(`it is ${result.state}: ${result.causes.join('; ')}`);
  }
  for (const { what, right, why } of result.findings) if (!right) problems.push(`${what}: ${why ?? 'wrong'}`);
  if (result.findings.length === 0 && result.error === undefined) {
    problems.push('nothing is compared: it brings no test/kernels.ts');
  }
  const rights = kernel.rights?.plugins[result.name];
  if (rights !== undefined && rights !== 'running' && rights !== 'degraded') {
    problems.push(`as a plain user with few capabilities it is ${rights}`);
  }
  return problems;
}

/** How a plugin on a kernel differs from what was accepted. */
export function changes(now: Accepted, before: Accepted | undefined): string[] {
  if (!before) return ['nothing is accepted for this kernel yet'];
  const problems: string[] = [];
  const differs = (what: string, found: string | undefined, wanted: string | undefined) => {
    if (found !== wanted) problems.push(`${what}: ${found || 'nothing'} instead of ${wanted || 'nothing'}`);
  };
  differs('state', now.state, before.state);
  const codes = (causes: readonly string[]) => causes.map((cause) => cause.split(':')[0]).join(', ');
  differs('causes', codes(now.causes), codes(before.causes));
  differs('state as a plain user', now.rights, before.rights);
  for (const key of union(now.hooks, before.hooks)) differs(`hook ${key}`, now.hooks[key], before.hooks[key]);
  for (const key of union(now.findings, before.findings)) {
    const told = (all: Readonly<Record<string, string>>) => (key in all ? `compared ${all[key]}`.trim() : undefined);
    differs(key, told(now.findings), told(before.findings));
  }
  for (const key of union(now.programs, before.programs)) {
    problems.push(...programChanges(key, now.programs[key], before.programs[key]));
  }
  return problems;
}

type Program = Accepted['programs'][string] | undefined;

function programChanges(name: string, now: Program, before: Program): string[] {
  if (!now) return [`program ${name} is gone`];
  if (!before) return [`program ${name} is new`];
  if ((now.refused === undefined) !== (before.refused === undefined)) {
    return [`program ${name} is ${now.refused === undefined ? 'no longer refused' : `refused: ${now.refused}`}`];
  }
  return SIZES.flatMap((size) => {
    const [found = 0, wanted = 0] = [now[size], before[size]];
    if (!wanted || found <= wanted * GROWTH || found <= wanted + FEW) return [];
    return [`program ${name}: ${size} grew from ${wanted} to ${found}, more than ${Math.round((GROWTH - 1) * 100)} %`];
  });
}

function union(a: object, b: object): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])];
}
