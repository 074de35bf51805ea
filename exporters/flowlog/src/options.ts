import { FLOW_FILTER_KEYS, type FlowFilterKey } from '@retina/sdk';
import { z } from 'zod';

export const FORMATS = ['hubble', 'hubble-strict', 'compact'] as const;

/** Terms that make sense for records as they come: all but the times. */
const TERMS = FLOW_FILTER_KEYS.filter((key) => key !== 'since' && key !== 'until');

const values = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);
const filter = z
  .strictObject(Object.fromEntries(TERMS.map((key) => [key, values.optional()])) as Record<FlowFilterKey, z.ZodOptional<typeof values>>)
  .refine((terms) => Object.values(terms).some((value) => value !== undefined), { error: 'a filter needs a term' }); // prettier-ignore

const MEBI = 1024 * 1024;

export const options = z
  .object({
    path: z.string().min(1).optional().describe('File to append to; its folder is made. Without it: standard output.'),
    format: z
      .enum(FORMATS)
      .default('hubble')
      .describe(
        "`hubble`: lines as `hubble observe -o json` prints them, with counters and names that Hubble lacks added. `hubble-strict`: only members of Hubble's schema. `compact`: one flat object of short members.",
      ),
    allow: z
      .array(filter)
      .default([])
      .describe('Records that pass one of these filters are written; without any, all. Terms as those of `retina flows`.'),
    deny: z.array(filter).default([]).describe('Records that pass one of these filters are not written, whatever `allow` says.'),
    fields: z
      .array(z.string().regex(/^\w+(\.\w+)*$/, { error: 'must be member names with dots between, such as source.pod_name' }))
      .default([])
      .describe('Members of the flow that are written, such as `time` or `source.pod_name`; without any, all.'),
    aggregateSeconds: z
      .number()
      .min(0)
      .max(3600)
      .default(0)
      .describe(
        'Records of so many seconds become one by source and destination workload, port, protocol, verdict and place; 0: each is written.',
      ),
    maxAggregates: z
      .int()
      .min(16)
      .max(1_000_000)
      .default(10_000)
      .describe('Most sums held at a time; when one more is needed, all are written early.'),
    maxFileBytes: z.int().min(4096).default(10 * MEBI).describe('Size at which a file is put aside and another begun.'),
    maxFiles: z.int().min(0).max(1000).default(5).describe('Files put aside that are kept, the newest ones.'),
    maxTotalBytes: z
      .int()
      .min(4096)
      .optional()
      .describe('Most disk space for all files together; the oldest go first. Default: what the sizes and numbers of files allow.'),
    compress: z.boolean().default(false).describe('Compress files put aside with gzip.'),
  })
  .refine((o) => o.maxTotalBytes === undefined || o.maxTotalBytes >= o.maxFileBytes * (o.compress ? 2 : 1), {
    path: ['maxTotalBytes'],
    error: 'must hold at least one file of maxFileBytes, two where they are compressed',
  }); // prettier-ignore
