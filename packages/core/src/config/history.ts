import path from 'node:path';
import { parseDuration } from './duration.ts';
import type { HistoryConfig, RawConfig } from './schema.ts';

/** What is kept of flow records, by either form of the key. */
export function historyConfig(raw: RawConfig['flows']['history'], directory: string): HistoryConfig {
  if (typeof raw === 'number') return { records: raw, maxAgeMs: undefined, disk: undefined };
  const { records, maxAge, maxBytes } = raw;
  const maxAgeMs = maxAge === undefined ? undefined : parseDuration(maxAge);
  return {
    records,
    maxAgeMs,
    disk: raw.directory === undefined ? undefined : { directory: path.resolve(directory, raw.directory), maxBytes, maxAgeMs: maxAgeMs ?? 24 * 3_600_000 },
  }; // prettier-ignore
}
