import { describe, expect, it } from 'vitest';
import { type Accepted, changes, faults } from './accepted.ts';
import type { KernelResult, PluginResult } from './results.ts';

const accepted: Accepted = {
  release: '6.1',
  state: 'running',
  causes: [],
  rights: 'running',
  hooks: { taps: 'tcx' },
  findings: { packets: '' },
  programs: {
    'x/a': { section: 'tc', xlated: 1000, jited: 5000, verified: 20_000 },
    'x/b': { section: 'tc', refused: 'no' },
  },
};
const program = (more: object) => ({ ...accepted, programs: { ...accepted.programs, 'x/a': { section: 'tc', xlated: 1000, ...more } } }); // prettier-ignore

describe('what has changed', () => {
  it.each([
    ['nothing', accepted, []],
    ['another build of the kernel', { ...accepted, release: '6.1.1' }, []],
    ['a little growth', program({ xlated: 1099 }), []],
    ['much growth', program({ xlated: 1101 }), [/x\/a: xlated grew from 1000 to 1101/]],
    ['complexity', program({ verified: 23_000 }), [/verified grew/]],
    ['a program that shrinks', program({ xlated: 500 }), []],
    ['another way to attach', { ...accepted, hooks: { taps: 'clsact' } }, [/hook taps: clsact instead of tcx/]],
    ['a hook lost', { ...accepted, hooks: {} }, [/hook taps: nothing instead of tcx/]],
    [
      'told otherwise',
      { ...accepted, findings: { packets: 'by place' } },
      [/packets: compared by place instead of compared/],
    ],
    ['no longer compared', { ...accepted, findings: {} }, [/packets: nothing instead of compared/]],
    ['a refusal', program({ refused: 'too large' }), [/x\/a is refused: too large/]],
    [
      'a program that is new',
      { ...accepted, programs: { ...accepted.programs, 'x/c': { section: 'tc' } } },
      [/x\/c is new/],
    ],
    ['rights', { ...accepted, rights: 'degraded' }, [/plain user: degraded instead of running/]],
  ])('%s', (_, now, expected) => {
    expect(changes(now, accepted)).toEqual(expected.map((pattern) => expect.stringMatching(pattern) as unknown));
  });

  it('is everything where nothing was accepted', () => expect(changes(accepted, undefined)).toHaveLength(1));
});

describe('what is wrong whatever was accepted', () => {
  const result: PluginResult = { name: 'x', programs: [], state: 'running', causes: [], hooks: {}, findings: [{ what: 'packets', right: true }], seconds: 1 }; // prettier-ignore
  const kernel = (rights: string): KernelResult => ({ name: '6.1', release: '6.1', plugins: [], rights: { plugins: { x: rights }, capabilities: [] }, floor: undefined, clock: undefined, seconds: 1 }); // prettier-ignore

  it.each([
    ['nothing', result, 'running', []],
    ['degraded is not wrong', { ...result, state: 'degraded' }, 'degraded', []],
    [
      'a wrong number',
      { ...result, findings: [{ what: 'packets', right: false, why: 'expected 3' }] },
      'running',
      [/packets: expected 3/],
    ],
    ['a plugin that failed', { ...result, state: 'failed', causes: ['no BTF'] }, 'running', [/it is failed: no BTF/]],
    ['no checks', { ...result, findings: [] }, 'running', [/brings no test\/kernels.ts/]],
    ['rights that do not suffice', result, 'failed', [/few capabilities it is failed/]],
  ])('%s', (_, found, rights, expected) => {
    expect(faults(kernel(rights), found)).toEqual(expected.map((pattern) => expect.stringMatching(pattern) as unknown));
  });
});
