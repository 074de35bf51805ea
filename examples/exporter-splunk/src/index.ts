import { readFile } from 'node:fs/promises';
import { API, defineExporter, RetinaError } from '@retina/sdk';
import { z } from 'zod';
import { Collector } from './collector.ts';
import { Connection } from './post.ts';

const config = z.object({
  url: z.url({ protocol: /^https?$/ }).describe('Where the HTTP Event Collector is: https://host:8088'),
  tokenFile: z.string().min(1).describe("File with the collector's token. Read for each call."),
  index: z.string().min(1).optional().describe("Index the events go into. Default: the token's."),
  source: z.string().min(1).default('retina').describe("The events' source."),
  sourcetype: z.string().min(1).default('retina:flow').describe("The events' source type."),
});

/** Writes flow records into Splunk by the HTTP Event Collector. */
export default defineExporter({
  name: 'splunk',
  api: API,
  description: 'Writes flow records into Splunk by the HTTP Event Collector.',
  stability: 'experimental',
  config,
  setup(ctx) {
    const { url, tokenFile, index, source, sourcetype } = ctx.config;
    const target = new URL(`${url.replace(/\/+$/, '')}/services/collector/event`);
    const collector = new Collector({
      connection: ctx.use(new Connection(target)),
      receiver: `${target.origin}${target.pathname}`,
      json: (batch, row) => ctx.flows.json(batch, row),
      token: () => readSecret(tokenFile),
      fields: { host: ctx.host.nodeName, source, sourcetype, ...(index !== undefined && { index }) },
    });
    return { flows: (batch, signal) => collector.send(batch, signal) };
  },
});

async function readSecret(file: string): Promise<string> {
  try {
    return (await readFile(file, 'utf8')).trim();
  } catch (error) {
    throw new RetinaError('RETINA_EXPORT_RETRY', 'the token cannot be read', {
      found: (error as Error).message,
      next: 'see to tokenFile',
      retryable: true,
      cause: error,
    });
  }
}
