import { describe, expect, it } from 'vitest';
import { never, numbered } from '../test/log.ts';
import { FlowLog } from './flow-log.ts';
import type { Target } from './target.ts';

class Lines implements Target {
  text = '';
  /** Bytes taken by each call to come; Error: it throws. */
  readonly plan: (number | Error)[] = [];
  /** Called before the answer to each. */
  before: (left: number) => void = () => undefined;
  private rest = '';
  write(lines: Uint8Array): Promise<number> {
    const step = this.plan.shift() ?? Infinity;
    this.before(this.plan.length);
    if (step instanceof Error) return Promise.reject(step);
    const text = Buffer.from(lines).toString();
    this.text += this.rest + text.slice(0, step);
    this.rest = text[step - 1] === '\n' || step >= text.length ? '' : text.slice(step, text.indexOf('\n', step) + 1);
    return Promise.resolve(Math.min(step, lines.length));
  }
  get numbers(): number[] {
    return this.text.trimEnd().split('\n').map(Number);
  }
}

const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);
const log = (target: Target, wanted = (row: number) => row >= 0) =>
  new FlowLog({ target, wanted: (_, row) => wanted(row), render: (batch, row) => `${batch.sourcePort(row)}\n` });

describe('FlowLog', () => {
  it('writes what is wanted, in order', async () => {
    const target = new Lines();
    await log(target, (row) => row % 200 < 2).flows(numbered(1000), never);
    expect(target.numbers).toEqual([0, 1, 200, 201, 400, 401, 600, 601, 800, 801]);
  });

  it('asks for the rest again where a target fails in the middle, and throws where it fails at once', async () => {
    const target = new Lines();
    const writer = log(target);
    const batch = numbered(300);
    target.plan.push(new Error('full'));
    await expect(writer.flows(batch, never)).rejects.toThrow('full');
    target.plan.push(Infinity, new Error('full'));
    const answer = await writer.flows(batch, never);
    expect(answer).toMatchObject({ cause: 'full', retry: upTo(300).slice(128) });
    expect(target.numbers).toEqual(upTo(128));
  });

  it('goes on, when its time was over, with the record after the last one begun', async () => {
    const target = new Lines();
    const writer = log(target);
    const batch = numbered(300);
    const time = new AbortController();
    time.abort(new Error('late'));
    const first = new AbortController();
    target.plan.push(Infinity, 101); // of the second call 25 lines of four bytes, and the next begins
    target.before = (left) => void (left === 0 && first.abort(new Error('late')));
    await expect(writer.flows(batch, first.signal)).rejects.toThrow('late');
    await expect(writer.flows(batch, time.signal)).rejects.toThrow('late');
    await writer.flows(batch, never);
    expect(target.numbers).toEqual(upTo(300));
  });

  it('takes a short write for what it is: a line that was begun is not begun again', async () => {
    const target = new Lines();
    target.plan.push(21); // lines 0 to 9 are 20 bytes, the next begins
    const answer = await log(target).flows(numbered(100), never);
    expect(answer).toMatchObject({ retry: upTo(100).slice(11) });
  });
});
