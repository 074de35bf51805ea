import { exporterContract, seriesIn } from '@retina/testkit';
import { expect } from 'vitest';
import { overGrpc, overHttp } from '../test/behaving.ts';
import { pointsOf } from '../test/receiver.ts';
import exporter from './index.ts';

const flows = { enabled: true, windowMs: 200 };
const taken: { path: string; body: Buffer }[] = [];

exporterContract(exporter, {
  module: import.meta.resolve('./index.ts'),
  options: { endpoint: 'http://127.0.0.1:1', protocol: 'http/json', flows },
  receiver: overHttp(taken),
  metricReceiver: overHttp([], seriesIn),
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
    const logs = () => taken.filter(({ path }) => path === '/v1/logs').map(({ body }) => body.toString());
    await expect.poll(() => logs().some((body) => body.includes('fd00::1')), { timeout: 10_000 }).toBe(true);
    for (const { path, body } of taken) {
      if (path === '/v1/metrics') pointsOf(JSON.parse(body.toString()) as Record<string, unknown>);
    }
  },
});

exporterContract(exporter, {
  options: { endpoint: 'http://127.0.0.1:1', protocol: 'grpc', flows },
  receiver: overGrpc(),
  metricReceiver: overGrpc(seriesIn),
});
