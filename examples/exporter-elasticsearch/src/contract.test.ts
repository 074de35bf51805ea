import { exporterContract } from '@retina/testkit';
import { afterAll, expect } from 'vitest';
import exporter from './index.ts';
import { BulkServer } from './testing.ts';

const server = await BulkServer.start();
afterAll(() => server[Symbol.asyncDispose]());

exporterContract(exporter, {
  options: { url: `${server.url}/`, index: 'flows' },
  refused: [{}, { url: 'ftp://host' }, { url: 'host' }, { url: server.url, index: '../x' }, { url: server.url, indx: 'flows' }],
  check() {
    expect(server.documents.size).toBeGreaterThanOrEqual(64);
    const [first] = server.documents.values();
    expect(first).toMatchObject({ IP: { source: '10.0.0.1', destination: '10.0.0.2' }, '@timestamp': expect.stringMatching(/^\d{4}-.*Z$/) as string });
    return Promise.resolve();
  },
}); // prettier-ignore
