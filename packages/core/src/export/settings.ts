import { z } from 'zod';
import { parseDuration } from '../config/duration.ts';
import { FLOW_RULE_FIELDS } from './flow-rules.ts';
import { relabelConfigs } from './relabel-config.ts';
import { parseSize } from './size.ts';

const duration = (least: number) =>
  z
    .string()
    .refine((text) => (parseDuration(text) ?? -1) >= least, {
      error: `must be a duration of at least ${least}ms such as "500ms", "10s" or "1m30s"`,
    })
    .transform((text) => parseDuration(text)!);

const size = (least: number) =>
  z
    .union([z.int(), z.string()])
    .transform((value) => (typeof value === 'number' ? value : (parseSize(value) ?? -1)))
    .refine((bytes) => bytes >= least && bytes <= 2 ** 32, {
      error: `must be a size of at least ${least} bytes such as "16MiB"`,
    });

/** What the host reads of an exporter's block; every other key is the exporter's own. */
export const exporterKeys = {
  push: z
    .strictObject({
      interval: duration(100).optional().describe('Time between two pushes of metrics.'),
      batch: z.int().min(1).max(65_536).optional().describe('Most flow records in one call.'),
      wait: duration(1).optional().describe('Longest wait of a flow record for its batch to fill.'),
      timeout: duration(10).optional().describe('Time one call may take.'),
      queue: size(65_536).optional().describe('Memory for flow records that wait, 192 bytes each and what hangs off them. Default 16MiB.'), // prettier-ignore
      retry: z
        .strictObject({
          first: duration(1).optional().describe('Wait after the first failed call; it doubles with each that follows. Default 500ms.'), // prettier-ignore
          longest: duration(1).optional().describe('Longest such wait. Default 30s.'),
          giveUpAfter: duration(1).optional().describe('Time after its first call at which a batch is given up. Default 2m.'), // prettier-ignore
        })
        .optional()
        .describe('How failed calls are repeated.'),
    })
    .optional()
    .describe('How a push exporter is driven. No effect on one that is scraped.'),
  metricRelabelConfigs: relabelConfigs
    .optional()
    .describe("What this exporter gets of the metrics, in the terms of Prometheus' metric_relabel_configs."),
  flowRelabelConfigs: relabelConfigs
    .superRefine((rules, ctx) => {
      rules.forEach(({ action, source_labels, target_label }, i) => {
        const wrong = (key: string, message: string) => ctx.addIssue({ code: 'custom', path: [i, key], message });
        if (!['keep', 'drop', 'keepequal', 'dropequal'].includes(action)) {
          wrong('action', 'must be keep, drop, keepequal or dropequal: a flow record is sent whole or not at all');
        }
        for (const label of [...source_labels, ...(target_label ? [target_label] : [])]) {
          if (!FLOW_RULE_FIELDS.includes(label)) {
            wrong('source_labels', `${label} is no field of a flow record; there are ${FLOW_RULE_FIELDS.join(', ')}`);
          }
        }
      });
    })
    .optional()
    .describe('Which flow records this exporter gets: keep, drop, keepequal and dropequal by the fields of a record.'),
  maxSeries: z.int().min(1).optional().describe('Most series this exporter is shown; the rest is hidden and counted.'),
};

export type ExportSettings = z.output<z.ZodObject<typeof exporterKeys>>;
