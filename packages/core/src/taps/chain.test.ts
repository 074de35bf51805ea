import type { BpfMap, BpfProgram, LoadedObject } from '@retina/loader';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HOOKS, TapChain, type Hook, type TapMember } from './chain.ts';

/** A packet somewhere on its way through a hook. */
interface Packet {
  readonly hook: Hook;
  readonly seen: string[];
  next: number | undefined;
  /** Who must see it: was there before it came and has not left. */
  due: Set<string>;
}

/** The kernel's side: what stands on the hook and in the array, and packets that pass while that changes. */
class Kernel {
  readonly slots: Record<Hook, (string | undefined)[]> = { ingress: [], egress: [] };
  readonly onHook: Record<Hook, string | undefined> = { ingress: undefined, egress: undefined };
  readonly packets: Packet[] = [];
  members: readonly string[] = [];
  private readonly tasks: (() => void)[] = [];
  private readonly choose: () => number;

  /** `choose` says, at every moment of a change, which packets move. */
  constructor(choose: () => number = () => 0) {
    this.choose = choose;
  }

  readonly ports = {
    slots: (hook: Hook) =>
      ({
        maxEntries: 8,
        setProgram: (slot: number, program: BpfProgram | undefined) => {
          expect(slot).toBeLessThan(8);
          this.move();
          this.slots[hook][slot] = program?.name;
          this.move();
        },
      }) as unknown as BpfMap,
    relink: (hook: Hook, program: BpfProgram | undefined) => {
      this.move();
      this.onHook[hook] = program?.name;
      this.move();
    },
    later: (task: () => void) => void this.tasks.push(task),
  };

  /** A new packet on each hook, perhaps, and a step for each that is under way, perhaps. */
  private move(): void {
    const bits = this.choose();
    if (bits & 1) for (const hook of HOOKS) this.packets.push(this.arrive(hook));
    this.packets.forEach((packet, at) => (bits >> (1 + (at % 7))) & 1 && this.step(packet));
  }

  private arrive(hook: Hook): Packet {
    const top = this.onHook[hook];
    const seen = top === undefined ? [] : [nameOf(top)];
    return { hook, seen, next: top?.endsWith('_head') ? 0 : undefined, due: new Set(this.members) };
  }

  private step(packet: Packet): void {
    if (packet.next === undefined) return;
    const program = this.slots[packet.hook][packet.next++];
    if (program === undefined) packet.next = undefined;
    else if (!packet.seen.includes(nameOf(program))) packet.seen.push(nameOf(program));
  }

  /** Whose programs are on a hook and in its slots. */
  programs(hook: Hook): string[] {
    return [this.onHook[hook], ...this.slots[hook]].flatMap((name) => (name === undefined ? [] : [nameOf(name)]));
  }

  /** What a packet would pass now. */
  packet(hook: Hook): string[] {
    const packet = this.arrive(hook);
    while (packet.next !== undefined) this.step(packet);
    return packet.seen;
  }

  /** Between two changes: members are these from now on. */
  changing(members: readonly string[]): void {
    this.members = this.members.filter((name) => members.includes(name));
    for (const { due } of this.packets) for (const name of due) if (!members.includes(name)) due.delete(name);
  }

  /** Every packet passes, then what waited for that runs. */
  pass(): void {
    for (const packet of this.packets) {
      while (packet.next !== undefined) this.step(packet);
      expect(packet.seen).toEqual(expect.arrayContaining([...packet.due]));
    }
    this.packets.length = 0;
    for (const task of this.tasks.splice(0)) task();
  }

  get busy(): boolean {
    return this.tasks.length > 0;
  }
}

const nameOf = (program: string) => program.split('_')[0]!;

class Member implements TapMember {
  readonly name: string;
  readonly object = { program: (name: string) => ({ name }) } as unknown as LoadedObject;
  place: number;

  constructor(name: string, place: number) {
    this.name = name;
    this.place = place;
  }

  rank(): number {
    return this.place;
  }
}

/** A chain of members with ranks in the order given. */
function chainOf(...names: string[]) {
  const kernel = new Kernel();
  const chain = new TapChain(kernel.ports);
  const members = names.map((name, place) => new Member(name, place));
  return { kernel, chain, members };
}

const orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]; // prettier-ignore

test.each(orders)('the configuration says who is first, whoever comes first: %i %i %i', (...order) => {
  const { kernel, chain, members } = chainOf('a', 'b', 'c');
  for (const at of order) chain.add(members[at]!);
  expect(chain.members.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
  expect(kernel.onHook).toEqual({ ingress: 'a_ingress_head', egress: 'a_egress_head' });
  expect(kernel.packet('egress').toSorted()).toEqual(['a', 'b', 'c']);
});

test('another order of the configuration changes who is first', () => {
  const { kernel, chain, members } = chainOf('a', 'b', 'c');
  members.forEach((one) => chain.add(one));
  members[2]!.place = -1;
  chain.sort();
  expect([kernel.onHook.ingress, kernel.packet('ingress').toSorted()]).toEqual(['c_ingress_head', ['a', 'b', 'c']]);
});

test('whoever stays sees every packet, on whatever part of its way a change finds it', () => {
  const change = fc.record({ kind: fc.nat(4), which: fc.nat(8), place: fc.nat(5), pass: fc.boolean() });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 30 }), fc.infiniteStream(fc.nat(255)), (changes, moves) => {
      const kernel = new Kernel(() => moves.next().value);
      const chain = new TapChain(kernel.ports);
      let next = 0;
      const names = () => chain.members.map(({ name }) => name);
      for (const { kind, which, place, pass } of changes) {
        const one = chain.members[which % chain.members.length] as Member | undefined;
        if (kind < 2 && chain.members.length < 6) chain.add(new Member(`m${next++}`, place));
        else if (kind < 4 && one) {
          kernel.changing(names().filter((name) => name !== one.name));
          chain.remove(one);
          for (const hook of HOOKS) expect(kernel.programs(hook)).not.toContain(one.name);
        } else if (one) {
          one.place = place;
          chain.sort();
        }
        kernel.changing(names());
        kernel.members = names();
        for (const hook of HOOKS) expect(kernel.packet(hook).toSorted()).toEqual(names().toSorted());
        if (pass) kernel.pass();
      }
      while (kernel.busy) kernel.pass();
      kernel.pass();
      // In the end nothing stands there for nothing.
      for (const hook of HOOKS) {
        const [head, ...behind] = names();
        expect(kernel.onHook[hook]).toBe(head && `${head}_${hook}${behind.length > 0 ? '_head' : ''}`);
        expect(
          kernel.slots[hook]
            .filter(Boolean)
            .map((name) => nameOf(name!))
            .toSorted(),
        ).toEqual(behind.toSorted());
      }
    }),
    { numRuns: 300 },
  );
});

describe('a full chain', () => {
  test('refuses the tenth and stays as it was', () => {
    const { kernel, chain, members } = chainOf(...'abcdefghij');
    for (const one of members.slice(0, 9)) chain.add(one);
    expect(() => chain.add(members[9]!)).toThrow(/at most 9/);
    expect(kernel.packet('egress')).toHaveLength(9);
  });

  test('makes room at once for one who takes the place of another or becomes the head', () => {
    const { kernel, chain, members } = chainOf(...'abcdefghij');
    for (const one of members.slice(0, 9)) chain.add(one);
    for (const one of members.slice(1, 4)) chain.remove(one);
    for (const one of members.slice(1, 4)) chain.add(one);
    expect(kernel.packet('ingress').toSorted()).toEqual([...'abcdefghi']);
    members[8]!.place = -1;
    chain.sort();
    expect([kernel.onHook.ingress, kernel.packet('ingress').toSorted()]).toEqual(['i_ingress_head', [...'abcdefghi']]);
  });
});
