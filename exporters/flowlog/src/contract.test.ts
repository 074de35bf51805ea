import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exporterContract } from '@retina/testkit';
import { afterAll, expect } from 'vitest';
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
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as { flow: { IP: object } });
    expect(lines.length).toBeGreaterThanOrEqual(64);
    expect(lines[0]!.flow.IP).toEqual({ source: '10.0.0.1', destination: '10.0.0.2', ipVersion: 'IPv4' });
  },
}); // prettier-ignore
