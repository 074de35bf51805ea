import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { API, defineExporter, RetinaError } from '@retina/sdk';
import { z } from 'zod';
import { documentOf } from './document.ts';

export default defineExporter({
  name: 'my-thing',
  api: API,
  description: 'Serves every metric as one JSON document.',
  stability: 'experimental',
  config: z.strictObject({
    host: z.string().min(1).default('127.0.0.1').describe('Address to listen on.'),
    port: z.int().min(0).max(65_535).default(10_099).describe('Port to listen on; 0: any that is free.'),
  }),
  async setup(ctx) {
    const { host, port } = ctx.config;
    const server = createServer((request, response) => {
      if (request.method !== 'GET' || request.url !== '/') return void response.writeHead(404).end();
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(documentOf(ctx.metrics)));
    });
    // Handed over before it is opened: whatever fails from here on, the host closes it.
    ctx.defer(() => {
      server.closeAllConnections();
      server.close();
    });
    try {
      server.listen({ host, port });
      await once(server, 'listening', { signal: ctx.signal });
    } catch (cause) {
      throw new RetinaError('RETINA_LISTEN_FAILED', `${host}:${port} cannot be served on`, {
        found: (cause as Error).message,
        needed: 'an address of this machine and a port that is free',
        next: 'choose another port, or end what listens there',
        cause,
      });
    }
    ctx.serves(`http://${host}:${(server.address() as AddressInfo).port}/`);
  },
});
