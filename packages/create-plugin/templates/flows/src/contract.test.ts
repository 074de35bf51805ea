import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exporterContract, fileReceiver } from '@retina/testkit';
import { afterAll, expect } from 'vitest';
import exporter from './index.ts';

interface Sums {
  readonly packets: number;
  readonly bytes: number;
}

const sumsIn = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Sums);
const folder = mkdtempSync(path.join(tmpdir(), 'my-thing-'));
let file = path.join(folder, 'flows.jsonl');
afterAll(() => rmSync(folder, { recursive: true }));

exporterContract(exporter, {
  module: import.meta.resolve('./index.ts'),
  options: { file },
  refused: [{ file: '' }, { maxPairs: 0 }],
  // What becomes of every record: those of the suite have a packet each. A receiver that speaks HTTP is `httpReceiver`, and can also
  // refuse, be busy, break off and say nothing.
  receiver: fileReceiver({
    options: (there) => ({ file: (file = there) }),
    count: (text) => sumsIn(text).reduce((sum, { packets }) => sum + packets, 0),
  }),
  check: () => {
    const sums = sumsIn(readFileSync(file, 'utf8'));
    expect(sums.every(({ packets, bytes }) => packets >= 0 && bytes >= 0)).toBe(true);
    expect(sums.some(({ packets }) => packets > 0)).toBe(true);
    return Promise.resolve();
  },
});
