import { writeFile } from 'node:fs/promises';
import { API, defineExporter, RetinaError } from '@retina/sdk';
import { z } from 'zod';
import { linesOf } from './pairs.ts';

export default defineExporter({
  name: 'my-thing',
  api: API,
  description: 'Writes who spoke to whom as lines of JSON.',
  stability: 'experimental',
  config: z.strictObject({
    file: z.string().min(1).default('flows.jsonl').describe('Where to append to.'),
    maxPairs: z.int().min(1).default(10_000).describe('Most lines of one batch; further pairs are summed as "other".'),
  }),
  setup(ctx) {
    const { file, maxPairs } = ctx.config;
    const nameOf = (id: number): string => {
      const { namespace, name, kind } = ctx.endpoints.byId(id);
      return name ? `${namespace}/${name}` : kind;
    };
    return {
      // A batch is borrowed until the promise settles. What throws is tried again by the host, then given up and counted.
      async flows(batch, signal) {
        try {
          await writeFile(file, linesOf(batch, maxPairs, nameOf), { flag: 'a', signal });
        } catch (cause) {
          throw new RetinaError('RETINA_EXPORT_RETRY', `${file} cannot be written`, {
            found: (cause as Error).message,
            needed: 'a file that can be appended to, and room on its disk',
            retryable: true,
            cause,
          });
        }
      },
    };
  },
});
