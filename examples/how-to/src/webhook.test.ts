import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exporterContract } from '@retina/testkit';
import { afterAll, expect } from 'vitest';
import exporter from './webhook.ts';

const texts: string[] = [];
const server = createServer((request, response) => {
  let body = '';
  request.setEncoding('utf8').on('data', (text: string) => (body += text));
  request.on('end', () => {
    texts.push((JSON.parse(body) as { text: string }).text);
    response.end('{"ok":true}');
  });
});
await new Promise<void>((done) => void server.listen(0, '127.0.0.1', done));
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook/secret`;

exporterContract(exporter, {
  module: import.meta.resolve('./webhook.ts'),
  options: { url, most: 5 },
  refused: [{ url: 'nowhere' }, { url: 'file:///etc/passwd' }, { url, most: 0 }],
  check: () => {
    const lines = texts.join('\n').split('\n');
    expect(lines.some((line) => /^\S+ → \S+: \d+ packets \(/.test(line))).toBe(true);
    expect(lines.some((line) => /^others: \d+ packets$/.test(line))).toBe(true);
    return Promise.resolve();
  },
});
