import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { exporterContract } from '@retina/testkit';
import { afterAll, expect } from 'vitest';
import exporter from './index.ts';

const taken = createServer();
await new Promise<void>((done) => void taken.listen(0, '127.0.0.1', done));
afterAll(() => void taken.close());

exporterContract(exporter, {
  module: import.meta.resolve('./index.ts'),
  options: { port: 0 },
  refused: [{ port: 65_536 }, { port: '80' }, { host: '' }],
  unmet: [{ port: (taken.address() as AddressInfo).port }],
  async check(host) {
    const [url] = host.health().components.find(({ name }) => name === 'my-thing')!.serves!;
    const document = (await (await fetch(url!)).json()) as Record<string, { value: number }[]>;
    expect(document['networkobservability_events_total']!.length).toBeGreaterThan(3);
    expect((await fetch(`${url}other`)).status).toBe(404);
  },
});
