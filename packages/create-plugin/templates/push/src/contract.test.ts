import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exporterContract } from '@retina/testkit';
import { afterAll, expect } from 'vitest';
import exporter from './index.ts';

let received = '';
const server = createServer((request, response) => {
  request.setEncoding('utf8').on('data', (text: string) => (received += text));
  request.on('end', () => response.end());
});
await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done));
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

exporterContract(exporter, {
  module: import.meta.resolve('./index.ts'),
  options: { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` },
  refused: [{ url: 'nowhere' }, { url: 'file:///etc/passwd' }, { batchLines: 0 }, { token: '' }],
  check: () => {
    const lines = received.trimEnd().split('\n');
    const names = lines.map((line) => (JSON.parse(line) as { name: string }).name);
    expect(names).toContain('networkobservability_events_total');
    return Promise.resolve();
  },
});
