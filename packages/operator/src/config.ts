import { readFileSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { RetinaError } from '@retina/sdk';
import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import { nearly } from './nearly.ts';

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
const DURATION = /^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/;

/** Milliseconds of a Go duration. */
function duration(fallback: string, least = 0) {
  return z
    .string()
    .regex(DURATION, 'needed a duration such as 30s or 5m')
    .default(fallback)
    .transform((text) => {
      let total = 0;
      for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) total += Number(amount) * UNIT_MS[unit!]!; // prettier-ignore
      return total;
    })
    .refine((ms) => ms >= least, `needed at least ${least / 1000} s`);
}

/** The operator's configuration file. The first block has the original's keys. */
export const operatorConfigSchema = z
  .strictObject({
    installCRDs: z.boolean().default(true).describe('Install and upgrade the custom resource definitions; false leaves them to Helm.'), // prettier-ignore
    enableRetinaEndpoint: z.boolean().default(true).describe('Have anything to do with RetinaEndpoints; false leaves them alone.'), // prettier-ignore
    remoteContext: z.boolean().default(false).describe('Keep a RetinaEndpoint for each pod; false removes them.'),
    logLevel: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info').describe('Least important level that is logged.'), // prettier-ignore
    enableTelemetry: z.boolean().default(false).describe('Without effect: the operator sends no telemetry to anyone.'),
    telemetryInterval: duration('5m', 120_000).describe('Without effect.'),
    captureDebug: z.boolean().default(false).describe('Without effect in this version.'),
    captureJobNumLimit: z.int().min(0).default(0).describe('Without effect in this version.'),
    captureHostPathBaseDir: z.string().default('').refine((path) => path === '' || isAbsolute(path), 'needed an absolute path').describe('Without effect in this version.'), // prettier-ignore
    enableManagedStorageAccount: z.boolean().default(false).describe('Without effect in this version.'),
    azureCredentialConfig: z.string().default('').describe('Without effect in this version.'),

    retinaEndpoints: z
      .strictObject({
        writesPerSecond: z.number().min(1).max(10_000).default(200).describe('Most requests per second that change RetinaEndpoints, on average.'), // prettier-ignore
        concurrency: z.int().min(1).max(100).default(32).describe('Requests at a time.'),
        resyncInterval: duration('10m', 1000).describe('Between two comparisons of everything, which cost no request.'),
      })
      .prefault({}),
    leaderElection: z
      .strictObject({
        enabled: z.boolean().default(true).describe('Of several replicas only one works.'),
        namespace: z.string().default('').describe('Namespace of the Lease; default: the one the operator runs in.'),
        name: z.string().default('16937e39.retina.sh').describe('Name of the Lease.'),
        // Short enough that a leader that was killed is followed in less than 20 s, whenever the others looked last.
        leaseDuration: duration('13s', 1000).describe('How long the others wait after the last renewal they saw.'),
        renewDeadline: duration('9s', 500).describe('A leader that could not renew for so long stops working.'),
        retryPeriod: duration('2s', 100).describe('Between two attempts.'),
      })
      .refine(
        (l) => l.leaseDuration > l.renewDeadline && l.renewDeadline > l.retryPeriod,
        'needed leaseDuration > renewDeadline > retryPeriod',
      ) // prettier-ignore
      .prefault({}),
  })
  .describe('The configuration of retina-operator.');

export type OperatorConfig = z.output<typeof operatorConfigSchema>;

const WITHOUT_EFFECT = ['enableTelemetry', 'captureDebug', 'captureJobNumLimit', 'captureHostPathBaseDir', 'enableManagedStorageAccount', 'azureCredentialConfig']; // prettier-ignore
const PREFIX = 'RETINA_';

/** A configuration and what in it has no effect. */
export interface LoadedOperatorConfig {
  readonly config: OperatorConfig;
  readonly warnings: readonly string[];
}

/** Reads a configuration file; without one everything has its default. `RETINA_` variables win. */
export function loadOperatorConfig(
  file: string | undefined,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): LoadedOperatorConfig {
  if (file === undefined) return parseOperatorConfig('', 'defaults', environment);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new RetinaError('RETINA_CONFIG_INVALID', 'The configuration file cannot be read', {
      found: error instanceof Error ? error.message : String(error),
      next: 'name another one with --config',
      cause: error,
    });
  }
  return parseOperatorConfig(text, file, environment);
}

/** Throws RETINA_CONFIG_INVALID with every mistake at once. */
export function parseOperatorConfig(
  text: string,
  source: string,
  environment: Readonly<Record<string, string | undefined>> = {},
): LoadedOperatorConfig {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true });
  const problems = document.errors.map(({ message }) => message.split('\n', 1)[0]!);
  const raw: unknown = problems.length > 0 ? {} : (document.toJS() ?? {});
  if (typeof raw !== 'object' || raw === null || Array.isArray(raw)) problems.push('needed keys and values');
  const values = problems.length > 0 ? {} : { ...(raw as Record<string, unknown>), ...overrides(environment) };
  const parsed = operatorConfigSchema.safeParse(values);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      if (issue.code !== 'unrecognized_keys') problems.push(`${issue.path.join('.')}: ${issue.message}`);
      else for (const key of issue.keys) problems.push(`${[...issue.path, key].join('.')}: no such key${meant(key)}`);
    }
  }
  if (problems.length > 0 || !parsed.success) {
    throw new RetinaError('RETINA_CONFIG_INVALID', `The configuration has mistakes (${source})`, {
      found: problems.join(' | '),
      next: 'mend them; docs/reference has every key',
    });
  }
  const defaults = operatorConfigSchema.parse({}) as Record<string, unknown>;
  const chosen = parsed.data as Record<string, unknown>;
  const idle = WITHOUT_EFFECT.filter((key) => chosen[key] !== defaults[key]);
  return { config: parsed.data, warnings: idle.map((key) => `${key} is accepted and has no effect`) };
}

/** `RETINA_REMOTECONTEXT=true`: the flat keys. */
function overrides(environment: Readonly<Record<string, string | undefined>>): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [key, schema] of Object.entries(operatorConfigSchema.shape)) {
    const value = environment[PREFIX + key.toUpperCase()];
    if (value === undefined || schema instanceof z.ZodPrefault) continue;
    const yaml = parseDocument(value).toJS() as unknown;
    found[key] = schema.safeParse(yaml).success ? yaml : value;
  }
  return found;
}

/** A key that differs in case, in a letter, or in what follows. */
function meant(key: string): string {
  const plain = key.toLowerCase();
  const near = Object.keys(operatorConfigSchema.shape).find((known) => nearly(known.toLowerCase(), plain));
  return near ? `; did you mean ${near}?` : '';
}
