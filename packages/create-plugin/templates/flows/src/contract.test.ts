import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { exporterContract } from '@retina/testkit';
import { afterAll, expect } from 'vitest';
import exporter from './index.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'my-thing-'));
let file = path.join(folder, 'flows.jsonl');
afterAll(() => rmSync(folder, { recursive: true }));

interface Sums {
  readonly packets: number;
  readonly bytes: number;
}

const sumsIn = (name: string) =>
  existsSync(name)
    ? readFileSync(name, 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Sums)
    : [];

exporterContract(exporter, {
  module: import.meta.resolve('./index.ts'),
  options: { file },
  refused: [{ file: '' }, { maxPairs: 0 }],
  // What becomes of every record: those of the suite have a packet each. A receiver that speaks HTTP is `httpReceiver`, and can also
  // refuse, be busy, break off and say nothing.
  async receiver() {
    const own = (file = path.join(mkdtempSync(path.join(folder, 'own-')), 'flows.jsonl'));
    const records = () => sumsIn(own).reduce((sum, { packets }) => sum + packets, 0);
    return {
      options: { file: own },
      behaviours: ['accept'],
      behave: () => undefined,
      get offered() {
        return records();
      },
      get accepted() {
        return records();
      },
      [Symbol.asyncDispose]: async () => undefined,
    };
  },
  check: () => {
    const sums = sumsIn(file);
    expect(sums.every(({ packets, bytes }) => packets >= 0 && bytes >= 0)).toBe(true);
    expect(sums.some(({ packets }) => packets > 0)).toBe(true);
    return Promise.resolve();
  },
});
