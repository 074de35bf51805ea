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
    const [first] = readFileSync(file, 'utf8').split('\n');
    const { packets, bytes } = JSON.parse(first!) as { packets: number; bytes: number };
    expect(packets).toBeGreaterThan(0);
    expect(bytes).toBeGreaterThan(packets);
    return Promise.resolve();
  },
});
