import { z } from 'zod';
import { parseDuration } from './duration.ts';

const RECORDS = 4096;
const MEBI = 1024 * 1024;

const records = z.int().min(0).max(1_048_576);

/** The configuration's `flows.history`: how many records, or more about it. */
export const historyKey = z
  .union([
    records,
    z.strictObject({
      records: records.default(RECORDS).describe('Records kept in memory, 192 bytes each.'),
      maxAge: z
        .string()
        .refine((text) => (parseDuration(text) ?? 0) >= 1000, { error: 'must be a duration of at least 1s such as "30m" or "24h"' })
        .optional()
        .describe('Age at which records are forgotten. Default: in memory none, on disk 24h.'),
      directory: z
        .string()
        .min(1)
        .optional()
        .describe('Folder in which records are kept on disk as well, over restarts; relative to the configuration file.'),
      maxBytes: z
        .int()
        .min(MEBI)
        .default(256 * MEBI)
        .describe('Most disk space; the oldest records give way.'),
    }),
  ])
  .default(RECORDS)
  .describe('What is kept for `retina flows`: so many records, or `records`, `maxAge`, `directory`, `maxBytes`.'); // prettier-ignore
