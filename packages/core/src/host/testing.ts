import { setTimeout as sleep } from 'node:timers/promises';
import {
  API,
  type ConfigSchema,
  type Exporter,
  type Logger,
  type MetricReader,
  type MetricSpecs,
  type Plugin,
} from '@retina/sdk';
import { z } from 'zod';
import { loadConfig } from '../config/load.ts';
import { Host } from './host.ts';
import type { HostOptions, Limits } from './types.ts';

/** Quick deadlines, for tests of what happens after them. */
export const QUICK: Limits = {
  setupMs: 200,
  handlerMs: 20,
  failures: 3,
  slow: 3,
  restartMs: 10,
  restartMaxMs: 100,
  releaseMs: 200,
};

/** A plugin of which only the interesting part need be written. */
export function plugin<S extends ConfigSchema = z.ZodObject, const M extends MetricSpecs = MetricSpecs>(
  name: string,
  part: Partial<Plugin<S, M>> & Pick<Plugin<S, M>, 'setup'>,
): Plugin {
  const whole = {
    name,
    api: API,
    description: 'A plugin of a test.',
    stability: 'experimental',
    platforms: ['linux'],
    needs: { capabilities: [] },
    config: z.object({}),
    metrics: {},
    ...part,
  };
  return whole as unknown as Plugin;
}

export function exporter(name: string, part: Partial<Exporter> & Pick<Exporter, 'setup'>): Exporter {
  const whole = {
    name,
    api: API,
    description: 'An exporter of a test.',
    stability: 'experimental',
    config: z.object({}),
    ...part,
  };
  return whole as Exporter;
}

export interface Line {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A logger that keeps what it is told. */
export function memoryLogger(): Logger & { readonly lines: Line[] } {
  const lines: Line[] = [];
  const at =
    (level: Line['level']) =>
    (message: string, fields: Readonly<Record<string, unknown>> = {}) => {
      lines.push({ level, message, fields });
    };
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

/** A host without a native loader that runs the given components under their own names. */
export async function startHost(
  components: readonly (Plugin | Exporter)[],
  options: HostOptions & { readonly yaml?: string } = {},
): Promise<Host> {
  const blocks = (kind: boolean) =>
    components.filter((one) => 'needs' in one === kind).map(({ name }) => `  ${name}: {}\n`);
  const yaml = options.yaml ?? `plugins:\n${blocks(true).join('')}\nexporters:\n${blocks(false).join('') || '  {}'}\n`;
  const { config } = loadConfig({ text: yaml, environment: {} });
  return Host.start(config, {
    logger: memoryLogger(),
    loader: null,
    limits: QUICK,
    components: Object.fromEntries(components.map((one) => [one.name, one])),
    ...options,
  });
}

export async function until(condition: () => boolean, what: string, ms = 5000): Promise<void> {
  for (const end = Date.now() + ms; !condition(); await sleep(2)) {
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
  }
}

/** The value of a series: family and label values in order. */
export function sample(reader: MetricReader, name: string, ...labels: string[]): number | undefined {
  for (const family of reader.families()) {
    if (family.name !== name) continue;
    for (let i = 0; i < family.size; i++) {
      if (family.live(i) && labels.every((text, j) => family.label(i, j) === text)) return family.value(i);
    }
  }
  return undefined;
}
