import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exporterContract } from '@retina/testkit';
import { afterAll, expect, vi } from 'vitest';
import exporter from './index.ts';

const folder = mkdtempSync(join(tmpdir(), 'retina-flowlog-'));
const path = join(folder, 'log', 'flows.jsonl');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

exporterContract(exporter, {
  options: { path },
  refused: [
    { path: '' }, { format: 'xml' }, { allow: [{}] }, { allow: [{ since: '5m' }] }, { deny: [{ pods: 'a' }] }, { fields: ['a..b'] },
    { maxTotalBytes: 4096 }, { maxFileBytes: 8192, maxTotalBytes: 8192, compress: true }, { aggregateSeconds: -1 }, { pth: 'x' },
  ],
  unmet: [{ path: '/proc/1/no/flows.jsonl' }, { path: folder }, { allow: [{ port: 'http' }] }],
  async check() {
    const read = () => readFileSync(path, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line) as { flow: { IP: object } });
    await vi.waitFor(() => expect(read().length).toBeGreaterThanOrEqual(64), 10_000);
    expect(read()[0]!.flow.IP).toEqual({ source: '10.0.0.1', destination: '10.0.0.2', ipVersion: 'IPv4' });
  },
}); // prettier-ignore
