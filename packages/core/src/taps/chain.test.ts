import type { BpfMap, BpfProgram, LoadedObject } from '@retina/loader';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HOOKS, TapChain, type Hook, type TapMember } from './chain.ts';

/** The kernel's side: what stands on the hook and in the array, and what a packet passes then. */
class Hooks {
  readonly slots: Record<Hook, (string | undefined)[]> = { ingress: [], egress: [] };
  readonly onHook: Record<Hook, string | undefined> = { ingress: undefined, egress: undefined };
  /** Who saw a packet at each moment of a change, hook by hook. */
  readonly moments: string[][] = [];

  readonly ports = {
    slots: (hook: Hook) =>
      ({
        maxEntries: 8,
        setProgram: (slot: number, program: BpfProgram | undefined) => {
          this.slots[hook][slot] = program?.name;
          this.moments.push(this.packet(hook));
        },
      }) as unknown as BpfMap,
    relink: (hook: Hook, program: BpfProgram | undefined) => {
      this.onHook[hook] = program?.name;
      this.moments.push(this.packet(hook));
    },
  };

  packet(hook: Hook): string[] {
    const top = this.onHook[hook];
    if (top === undefined) return [];
    const seen = [top.split('_')[0]!];
    if (!top.endsWith('_head')) return seen;
    for (const name of this.slots[hook]) {
      if (name === undefined) break;
      expect(name).toMatch(new RegExp(`_${hook}_member$`));
      seen.push(name.split('_')[0]!);
    }
    return seen;
  }
}

function member(name: string, rank = 9): TapMember {
  return { object: { program: (program: string) => ({ name: program }) } as unknown as LoadedObject, name, rank };
}

function setup() {
  const hooks = new Hooks();
  return { hooks, chain: new TapChain(hooks.ports) };
}

test('after any series of changes every member sees every packet once', () => {
  const change = fc.record({ leave: fc.boolean(), which: fc.nat(8), rank: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 40 }), (changes) => {
      const { hooks, chain } = setup();
      let next = 0;
      for (const { leave, which, rank } of changes) {
        if (leave && chain.members.length) chain.remove(chain.members[which % chain.members.length]!);
        else if (chain.members.length < 9) chain.add(member(`m${next++}`, rank));
        const wanted = chain.members.map(({ name }) => name);
        for (const hook of HOOKS) expect(hooks.packet(hook)).toEqual(wanted);
        expect(hooks.onHook.ingress?.endsWith('_head') ?? false).toBe(wanted.length > 1);
        for (const hook of HOOKS)
          expect(hooks.slots[hook].slice(Math.max(0, wanted.length - 1)).every((s) => !s)).toBe(true);
      }
    }),
  );
});

describe('while it changes', () => {
  const a = member('a', 0);
  const b = member('b', 1);
  const c = member('c', 2);

  test.each([
    ['joining behind', [a], () => b, undefined],
    ['joining in front', [b], () => a, undefined],
    ['a third one joins', [a, b], () => c, undefined],
    ['the head of two leaves', [a, b], undefined, a],
    ['the second of two leaves', [a, b], undefined, b],
    ['the last of three leaves', [a, b, c], undefined, c],
  ])('%s: who stays sees every packet once', (_, before, joins, leaves) => {
    const { hooks, chain } = setup();
    before.forEach((one) => chain.add(one));
    hooks.moments.length = 0;
    if (joins) chain.add(joins());
    if (leaves) chain.remove(leaves);
    for (const moment of hooks.moments) {
      for (const { name } of before)
        if (name !== leaves?.name) expect(moment.filter((seen) => seen === name)).toEqual([name]);
    }
  });

  test('in the middle of three nobody misses a packet, and the new head of three is exact', () => {
    const { hooks, chain } = setup();
    [a, b, c].forEach((one) => chain.add(one));
    hooks.moments.length = 0;
    chain.remove(b);
    for (const moment of hooks.moments) expect(moment).toEqual(expect.arrayContaining(['a', 'c']));
    chain.add(b);
    hooks.moments.length = 0;
    chain.remove(a);
    for (const moment of hooks.moments.slice(1)) expect(moment.filter((seen) => seen === 'c')).toEqual(['c']);
  });
});

test('a ninth one behind the head is refused, and the chain stays as it was', () => {
  const { hooks, chain } = setup();
  for (let n = 0; n < 9; n++) chain.add(member(`m${n}`));
  expect(() => chain.add(member('m9'))).toThrow(/at most 9/);
  expect(hooks.packet('egress')).toHaveLength(9);
});
