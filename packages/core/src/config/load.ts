import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { RetinaError } from '@retina/sdk';
import { applyEnvironment } from './environment.ts';
import { components, notes } from './legacy.ts';
import { ConfigError, type ConfigProblem } from './problem.ts';
import { historyConfig } from './history.ts';
import { kubernetesConfig } from './kubernetes.ts';
import { configSchema, type Config, type MetricsConfiguration, type RawConfig } from './schema.ts';
import { ConfigText } from './source.ts';
import { validate } from './validate.ts';

const DEFAULT_INTERVAL_MS = 10_000;

/** Where a configuration comes from: a file, or a text. */
export interface ConfigSource {
  readonly file?: string;
  /** The text itself; `file`, if also given, is only its name in messages and the base of relative paths. */
  readonly text?: string;
  /** Default `process.env`. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

export interface LoadedConfig {
  readonly config: Config;
  /** What is written but has no effect, or is deprecated. */
  readonly warnings: readonly ConfigProblem[];
}

/** A configuration with its text at hand, so that later checks can name lines. */
export interface ParsedConfig extends LoadedConfig {
  readonly text: ConfigText;
  readonly problems: readonly ConfigProblem[];
}

/**
 * Reads a configuration and checks every key of the host. Options of plugins and exporters are checked by
 * `checkConfig`, which imports them. Throws a {@link ConfigError} (RETINA_CONFIG_INVALID) with every mistake found.
 */
export function loadConfig(source: ConfigSource): LoadedConfig {
  const { config, warnings, problems } = parseConfig(source);
  if (problems.length) throw new ConfigError(problems, source.file);
  return { config, warnings };
}

/** As `loadConfig`, but returns the mistakes; `config` then holds what could be understood. */
export function parseConfig(source: ConfigSource): ParsedConfig {
  const text = new ConfigText(read(source));
  const problems: ConfigProblem[] = [...text.problems];
  const warnings = applyEnvironment(text, source.environment ?? process.env);
  const raw = validate(configSchema, text.value, text, [], problems) ?? salvage(text.value);
  if (problems.length === 0) warnings.push(...notes(raw, text));
  const directory = source.file ? path.dirname(path.resolve(source.file)) : process.cwd();
  const config = deepFreeze(toConfig(raw, directory));
  return { config, warnings, problems: problems.sort(byPlace), text };
}

/** What is right of a value with mistakes, so that what depends on the rest can be checked as well. */
function salvage(value: Record<string, unknown>): RawConfig {
  const rest = structuredClone(value);
  const { error } = configSchema.safeParse(rest);
  for (const issue of error?.issues ?? []) {
    const path = issue.path.length ? issue.path : undefined;
    const keys =
      issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : path ? [path] : [];
    for (const at of keys) {
      const holder = at
        .slice(0, -1)
        .reduce<unknown>((one, step) => (one as Record<PropertyKey, unknown> | undefined)?.[step], rest);
      if (typeof holder === 'object' && holder !== null && !Array.isArray(holder))
        delete (holder as Record<PropertyKey, unknown>)[at.at(-1)!];
    }
  }
  for (const issue of configSchema.safeParse(rest).error?.issues ?? []) delete rest[String(issue.path[0])];
  return configSchema.safeParse(rest).data ?? configSchema.parse({});
}

function read(source: ConfigSource): string {
  if (source.text !== undefined) return source.text;
  if (source.file === undefined) throw new TypeError('a configuration source needs a file or a text');
  try {
    return readFileSync(source.file, 'utf8');
  } catch (error) {
    throw new RetinaError('RETINA_CONFIG_INVALID', `the configuration file ${source.file} cannot be read`, {
      found: (error as Error).message,
      next: 'check the path and that this user may read it',
      cause: error,
    });
  }
}

function toConfig(raw: RawConfig, directory: string): Config {
  const metricsIntervalMs = raw.metricsIntervalDuration ?? (raw.metricsInterval ?? 0) * 1000;
  const { plugins, exporters } = components(raw, metricsIntervalMs);
  return {
    plugins,
    exporters,
    logLevel: raw.logLevel === 'panic' ? 'fatal' : raw.logLevel,
    nodeName: raw.nodeName ?? process.env['NODE_NAME'] ?? hostname(),
    clusterName: raw.clusterName,
    metricsIntervalMs: metricsIntervalMs || DEFAULT_INTERVAL_MS,
    podLevel: !raw.enablePodLevel ? 'off' : raw.remoteContext ? 'remote' : 'local',
    metricsConfiguration: raw.metricsConfiguration && metricsConfigurationOf(raw.metricsConfiguration),
    taps: { ...raw.taps, mode: raw.enableTCX === 'off' ? 'clsact' : 'auto' },
    identity: {
      file: raw.identity.file === undefined ? undefined : path.resolve(directory, raw.identity.file),
      local: raw.identity.local,
    },
    kubernetes: kubernetesConfig(raw, directory),
    apiServers: raw.apiServers,
    kernelEvents: raw.kernelEvents,
    flows: { history: historyConfig(raw.flows.history, directory) },
    api: raw.api,
    directory,
  };
}

/** What `metricsConfiguration` gives, as the host takes it. */
export function metricsConfigurationOf(raw: NonNullable<RawConfig['metricsConfiguration']>): MetricsConfiguration {
  const contextOptions = raw.contextOptions.map(({ ttl, ...option }) => ({ ...option, ttlMs: ttl || undefined }));
  return { contextOptions, namespaces: withoutUndefined(raw.namespaces) };
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(value: T): Defined<T> {
  return Object.fromEntries(Object.entries(value).filter(([, v]) => v !== undefined)) as Defined<T>;
}

/** In the order of the file; what has no place comes last. */
export function byPlace(a: ConfigProblem, b: ConfigProblem): number {
  return (a.line ?? Infinity) - (b.line ?? Infinity) || (a.column ?? 0) - (b.column ?? 0) || 0;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
