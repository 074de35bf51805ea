import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exporterContract } from '@retina/testkit';
import { afterAll, expect } from 'vitest';
import exporter from './index.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'my-thing-'));
const file = path.join(folder, 'flows.jsonl');
afterAll(() => rmSync(folder, { recursive: true }));

exporterContract(exporter, {
  options: { file },
  refused: [{ file: '' }, { maxPairs: 0 }],
  check: () => {
    const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
    const sums = lines.map((line) => JSON.parse(line) as { packets: number; bytes: number });
    expect(sums.every(({ packets, bytes }) => packets >= 0 && bytes >= 0)).toBe(true);
    expect(sums.some(({ packets }) => packets > 0)).toBe(true);
    return Promise.resolve();
  },
});
