import { exporterContract } from '@retina/testkit';
import { afterAll, expect, vi } from 'vitest';
import exporter from './index.ts';
import { BulkServer } from './testing.ts';

const server = await BulkServer.start();
afterAll(() => server[Symbol.asyncDispose]());

exporterContract(exporter, {
  options: { url: `${server.url}/`, index: 'flows' },
  refused: [{}, { url: 'ftp://host' }, { url: 'host' }, { url: server.url, index: '../x' }, { url: server.url, indx: 'flows' }],
  async check() {
    await vi.waitFor(() => expect(server.documents.size).toBeGreaterThanOrEqual(64), 10_000);
    const [first] = server.documents.values();
    expect(first).toMatchObject({ IP: { source: '10.0.0.1', destination: '10.0.0.2' }, '@timestamp': expect.stringMatching(/^\d{4}-.*Z$/) as string });
  },
}); // prettier-ignore
