import { exporterContract } from '@retina/testkit';
import { afterAll, expect } from 'vitest';
import { HttpReceiver, pointsOf } from '../test/receiver.ts';
import exporter from './index.ts';

const receiver = await HttpReceiver.start((_, response) => void response.end('{}'));
afterAll(() => receiver[Symbol.asyncDispose]());

exporterContract(exporter, {
  options: { endpoint: receiver.url, protocol: 'http/json', flows: { enabled: true, windowMs: 200 } },
  refused: [
    { endpoint: 'collector:4317' },
    { endpoint: 'http://user:secret@collector:4317' },
    { endpoint: 'http://collector:4318/otlp', protocol: 'grpc' },
    { protocol: 'http' },
    { headers: { 'bad name': 'x' } },
    { headers: { 'content-type': 'x' } },
    { headers: { key: 'two\nlines' } },
    { tls: { cert: 'only.crt' } },
    { metrics: { enabled: false } },
    { metrics: { naming: 'mine' } },
    { flows: { enabled: true, include: [{ colour: 'red' }] } },
  ],
  unmet: [{ tls: { ca: '/nowhere/ca.crt' } }, { flows: { enabled: true, include: [{ ip: 'no address' }] } }],
  async check() {
    await expect.poll(() => receiver.requests.some(({ path }) => path === '/v1/logs'), { timeout: 10_000 }).toBe(true);
    const logs = receiver.requests.filter(({ path }) => path === '/v1/logs').map(({ body }) => body.toString());
    expect(logs.some((body) => body.includes('fd00::1'))).toBe(true);
    for (const { path, body } of receiver.requests) {
      if (path === '/v1/metrics') pointsOf(JSON.parse(body.toString()) as Record<string, unknown>);
    }
  },
});
