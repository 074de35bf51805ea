import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exporterContract, fileReceiver } from '@retina/testkit';
import { afterAll, expect, vi } from 'vitest';
import exporter from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'retina-flowlog-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let path = join(folder, 'log', 'flows.jsonl');
const lines = () => readFileSync(path, 'utf8').split('\n').slice(0, -1);

exporterContract(exporter, {
  module: import.meta.resolve('./index.ts'),
  options: { path },
  // What becomes of every record: a file takes what comes.
  receiver: fileReceiver({ options: (file) => ({ path: (path = file) }) }),
  refused: [
    { path: '' }, { format: 'xml' }, { allow: [{}] }, { allow: [{ since: '5m' }] }, { deny: [{ pods: 'a' }] }, { fields: ['a..b'] },
    { maxTotalBytes: 4096 }, { maxFileBytes: 8192, maxTotalBytes: 8192, compress: true }, { aggregateSeconds: -1 }, { pth: 'x' },
  ],
  unmet: [{ path: '/proc/1/no/flows.jsonl' }, { path: folder }, { allow: [{ port: 'http' }] }],
  async check() {
    await vi.waitFor(() => expect(lines().length).toBeGreaterThanOrEqual(64), 10_000);
    const [first] = lines().map((line) => JSON.parse(line) as { flow: { IP: object } });
    expect(first!.flow.IP).toEqual({ source: '10.0.0.1', destination: '10.0.0.2', ipVersion: 'IPv4' });
  },
}); // prettier-ignore
