import { Host, type HostOptions, loadConfig } from '@retina/core';
import type { ComponentHealth, Exporter, Logger, Plugin } from '@retina/sdk';
import { ContractError } from './rule.ts';

/** What a component under test said. */
export interface LogEntry {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: unknown;
}

export function memoryLogger(): Logger & { readonly entries: LogEntry[] } {
  const entries: LogEntry[] = [];
  const at = (level: LogEntry['level']) => (message: string, fields?: unknown) =>
    void entries.push({ level, message, fields });
  return { entries, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

export interface RunOptions extends Omit<HostOptions, 'components'> {
  readonly plugins?: readonly (readonly [Plugin, Readonly<Record<string, unknown>>, string?])[];
  /** With the name they have in the configuration, where it is not their own. */
  readonly exporters?: readonly (readonly [Exporter, Readonly<Record<string, unknown>>, string?])[];
}

/** A real host around the components under test and nothing else. What fails is not tried again. */
export function startHost({ plugins = [], exporters = [], ...options }: RunOptions): Promise<Host> {
  const section = (all: RunOptions['plugins'] | RunOptions['exporters']) =>
    Object.fromEntries((all ?? []).map(([component, given, name]) => [name ?? component.name, given]));
  const text = JSON.stringify({
    plugins: section(plugins),
    exporters: section(exporters),
    enablePodLevel: true,
    remoteContext: true,
    identity: { local: false },
    api: { socket: false },
    metricsIntervalDuration: '100ms',
  });
  const components = Object.fromEntries([...plugins, ...exporters].map(([component]) => [component.name, component]));
  return Host.start(loadConfig({ text, environment: {} }).config, {
    logger: memoryLogger(),
    components,
    ...options,
    limits: { restartMs: 3_600_000, restartMaxMs: 3_600_000, ...options.limits },
  });
}

export function stateOf(host: Host, kind: 'plugin' | 'exporter', name: string): ComponentHealth {
  const found = host.health().components.find((component) => component.kind === kind && component.name === name);
  if (!found) throw new ContractError(`the host knows no ${kind} ${name}`);
  return found;
}

/** Throws unless the component runs; `degraded` counts as running. */
export function mustRun(host: Host, kind: 'plugin' | 'exporter', name: string): void {
  const { state, causes } = stateOf(host, kind, name);
  if (state !== 'running' && state !== 'degraded') {
    throw new ContractError(`it is ${state}: ${causes.map(({ code, message }) => `${code}: ${message}`).join('; ')}`);
  }
}

/** Handler calls that threw, by the host's own count. */
export function handlerErrors(host: Host): number {
  return sumOf(countsOf(host, 'retina_handler_errors_total', () => ''));
}

/** What the host counts in one of its families, added up by a text that `by` makes of a row's labels. */
export function countsOf(host: Host, name: string, by: (label: (name: string) => string) => string): Counts {
  const counts: Record<string, number> = {};
  for (const family of host.metrics.families()) {
    if (family.name !== name) continue;
    for (let i = 0; i < family.size; i++) {
      if (!family.live(i)) continue;
      const key = by((label) => family.label(i, family.labels.indexOf(label)));
      counts[key] = (counts[key] ?? 0) + family.value(i);
    }
  }
  return counts;
}

export type Counts = Readonly<Record<string, number>>;

export const sumOf = (counts: Counts): number => Object.values(counts).reduce((all, one) => all + one, 0);

/** Values no counter or gauge may ever have, one sentence each. */
export function impossibleValues(host: Host): string[] {
  const problems = new Set<string>();
  for (const family of host.metrics.families()) {
    for (let i = 0; i < family.size; i++) {
      if (!family.live(i) || family.kind === 'histogram') continue;
      const value = family.value(i);
      if (!Number.isFinite(value)) problems.add(`${family.name} became ${value}`);
      if (family.kind === 'counter' && value < 0) problems.add(`${family.name} became negative: ${value}`);
    }
  }
  return [...problems];
}
