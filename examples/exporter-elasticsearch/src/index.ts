import { readFile } from 'node:fs/promises';
import { API, defineExporter, RetinaError } from '@retina/sdk';
import { z } from 'zod';
import { Bulk } from './bulk.ts';
import { Connection } from './post.ts';

const config = z.object({
  url: z.url({ protocol: /^https?$/ }).describe('Where Elasticsearch or OpenSearch is: https://host:9200'),
  index: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,200}$/)
    .default('retina-flows')
    .describe('Index, alias or data stream the records go into.'),
  authorizationFile: z
    .string()
    .min(1)
    .optional()
    .describe(
      'File with the value of the Authorization header: `ApiKey …`, `Basic …` or `Bearer …`. Read for each call.',
    ),
});

/** Writes flow records into Elasticsearch or OpenSearch by the bulk API. */
export default defineExporter({
  name: 'elasticsearch',
  api: API,
  description: 'Writes flow records into Elasticsearch or OpenSearch by the bulk API.',
  stability: 'experimental',
  config,
  setup(ctx) {
    const { url, index, authorizationFile } = ctx.config;
    const target = new URL(`${url.replace(/\/+$/, '')}/${index}/_bulk?filter_path=items.*.status,items.*.error`);
    const bulk = new Bulk({
      connection: ctx.use(new Connection(target)),
      receiver: `${target.origin}${target.pathname}`,
      json: (batch, row) => ctx.flows.json(batch, row),
      authorization: async () => authorizationFile && (await readSecret(authorizationFile)),
    });
    return { push: { flowBatch: 2000 }, flows: (batch, signal) => bulk.send(batch, signal) };
  },
});

async function readSecret(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw new RetinaError('RETINA_EXPORT_RETRY', 'the authorization cannot be read', {
      found: (error as Error).message,
      next: 'see to authorizationFile',
      retryable: true,
      cause: error,
    });
  }
}
