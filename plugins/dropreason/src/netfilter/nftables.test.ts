import { describe, expect, it } from 'vitest';
import { attribute, type Netlink, type NetlinkMessage } from '@retina/sdk';
import { Message, readPolicy, readRule } from './nftables.ts';
import { RuleWatch } from './rule-watch.ts';

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(/\s/g, ''), 'hex'));

/** As a kernel (6.18) sent them. */
const RECORDED = {
  /** table inet filt, chain inp, handle 4: udp dport 1 counter packets 2 bytes 60 drop comment "my rule" */
  drop: `010000020900010066696c740000000008000200696e70000c00030000000000000000040c0006000000000000000003
    1001040024000100090001006d6574610000000014000200080002000000001008000100000000012c00010008000100636d7000
    20000200080001000000000108000200000000000c0003000500010011000000340001000c0001007061796c6f61640024000200
    0800010000000001080002000000000208000300000000020800040000000002
    2c00010008000100636d700020000200080001000000000108000200000000000c00030006000100000100002c0001000c000100636f756e746572
    001c0002000c000100000000000000003c0c0002000000000000000002300001000e000100696d6d65646961746500
    00001c0002000800010000000000100002000c0002000800010000000000
    0e00070000086d792072756c65000000`,
  /** … handle 5: udp dport 2 counter packets 2 bytes 60 reject */
  reject: `010000020900010066696c740000000008000200696e70000c00030000000000000000050c0006000000000000000004
    0401040024000100090001006d6574610000000014000200080002000000001008000100000000012c00010008000100636d7000
    20000200080001000000000108000200000000000c0003000500010011000000340001000c0001007061796c6f61640024000200
    0800010000000001080002000000000208000300000000020800040000000002
    2c00010008000100636d700020000200080001000000000108000200000000000c00030006000100000200002c0001000c000100636f756e746572
    001c0002000c00010000000000000000
    3c0c0002000000000000000002240001000b00010072656a65637400001400020008000100000000020500020001000000`,
  /** … handle 6: udp dport 3 accept */
  accept: `010000020900010066696c740000000008000200696e70000c00030000000000000000060c0006000000000000000005
    e400040024000100090001006d6574610000000014000200080002000000001008000100000000012c00010008000100636d7000
    20000200080001000000000108000200000000000c0003000500010011000000340001000c0001007061796c6f61640024000200
    0800010000000001080002000000000208000300000000020800040000000002
    2c00010008000100636d700020000200080001000000000108000200000000000c0003000600010000030000300001000e000100
    696d6d6564696174650000001c0002000800010000000000100002000c0002000800010000000001`,
  /** chain inp { type filter hook input priority 0; policy drop; } */
  policy: `010000020900010066696c740000000008000300696e70000c000200000000000000000114000400080001000000000108000200
    0000000008000500000000000b00070066696c746572000008000a00000000010800060000000005`,
  /** chain outp { …; policy accept; } */
  accepting: `010000020900010066696c7400000000090003006f757470000000000c0002000000000000000002140004000800010000000003
    080002000000000008000500000000010b00070066696c746572000008000a00000000010800060000000002`,
} as const;

describe('rules of nf_tables', () => {
  it('that drop are told with their comment and counter', () => {
    const place = { family: 'inet', table: 'filt', chain: 'inp' };
    expect(readRule(bytes(RECORDED.drop))).toMatchObject({
      ...place, handle: 4, rule: 'my rule', counted: { packets: 2, bytes: 60 },
    }); // prettier-ignore
    expect(readRule(bytes(RECORDED.reject))).toMatchObject({ ...place, rule: 'handle 5', counted: { packets: 2, bytes: 60 } });
    expect(readRule(bytes(RECORDED.accept))).toBeUndefined();
    expect(readPolicy(bytes(RECORDED.policy))).toMatchObject({ ...place, rule: 'policy', counted: undefined });
    expect(readPolicy(bytes(RECORDED.accepting))).toBeUndefined();
  }); // prettier-ignore

  it('of iptables-nft have their comment in a match and their verdict in a target', () => {
    const text = (value: string) => Buffer.from(`${value}\0`);
    const expression = (name: string, data: Uint8Array[]) => attribute(1, [attribute(1, text(name)), attribute(2, data)]);
    const number = (value: number) => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, value);
    const rule = Uint8Array.from([
      2, 0, 0, 0,
      ...attribute(1, text('filter')),
      ...attribute(2, text('KUBE-FIREWALL')),
      ...attribute(4, [
        expression('match', [attribute(1, text('comment')), attribute(3, text('martians'))]),
        expression('counter', [attribute(1, number(120)), attribute(2, number(3))]),
        expression('target', [attribute(1, text('REJECT'))]),
      ]),
    ]); // prettier-ignore
    expect(readRule(rule)).toMatchObject({
      family: 'ip', table: 'filter', chain: 'KUBE-FIREWALL', rule: 'martians', counted: { packets: 3, bytes: 120 },
    }); // prettier-ignore
  }); // prettier-ignore

  it('may be cut off or changed anywhere', () => {
    let state = 11;
    const next = () => (state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0) >>> 16;
    let read = 0;
    for (const hex of Object.values(RECORDED)) {
      const whole = bytes(hex);
      for (let round = 0; round < 2000; round++) {
        const message = whole.slice(0, round < whole.length ? round : whole.length);
        if (round >= whole.length) for (let i = 0; i < 3; i++) message[next() % message.length] = next();
        for (const reader of [readRule, readPolicy]) {
          try {
            const found = reader(message);
            if (found) expect(Number.isFinite(found.handle + (found.counted?.packets ?? 0))).toBe(true);
            read++;
          } catch (error) {
            expect(error).toBeInstanceOf(RangeError);
          }
        }
      }
    }
    expect(read).toBeGreaterThan(0);
  });
});

/** A ruleset of one chain, as the kernel tells it; `asked` counts its questions by type. */
class Ruleset implements Netlink {
  generation = 1;
  rules: Uint8Array[] = [];
  interrupted = false;
  readonly asked: Record<number, number> = {};

  request(
    { type, payload }: { type: number; payload: Uint8Array },
    handle: (messages: readonly NetlinkMessage[]) => void,
  ) {
    const kind = type === Message.GET_RULE && payload.length > 4 ? -1 : type;
    this.asked[kind] = (this.asked[kind] ?? 0) + 1;
    const answer = (): [number, Uint8Array[]] => {
      if (type === Message.GET_RULE) return [Message.NEW_RULE, this.rules];
      if (type === Message.GET_CHAIN) return [Message.NEW_CHAIN, []];
      return [
        Message.NEW_GENERATION,
        [Uint8Array.from([0, 0, 0, 0, ...attribute(1, Uint8Array.of(0, 0, 0, this.generation))])],
      ];
    };
    const [answered, payloads] = answer();
    handle(payloads.map((bytes) => ({ type: answered, flags: 0, payload: bytes })));
    const interrupted = this.interrupted && type === Message.GET_RULE;
    return Promise.resolve({ messages: payloads.length, interrupted });
  }
  subscribe(): Disposable {
    return { [Symbol.dispose]: () => undefined };
  }
  /** The recorded rule with another handle and count. */
  static rule(handle: number, packets: number): Uint8Array {
    const rule = bytes(RECORDED.drop);
    rule[39] = handle;
    rule[Buffer.from(rule).indexOf(bytes('0c0002000000000000000002')) + 11] = packets;
    return rule;
  }
}

describe('a watch on rules', () => {
  const added = async (watch: RuleWatch) => (await watch.read()).deltas.map(({ packets }) => packets);

  it('reads everything when the ruleset has changed, and else only the chains that drop', async () => {
    const ruleset = new Ruleset();
    ruleset.rules = [Ruleset.rule(4, 2)];
    const watch = new RuleWatch(ruleset, () => 0);
    expect(await added(watch)).toEqual([2]);
    ruleset.rules = [Ruleset.rule(4, 7)];
    expect(await added(watch)).toEqual([5]);
    expect(ruleset.asked).toMatchObject({ [Message.GET_RULE]: 1, [-1]: 1 });
    ruleset.generation++;
    expect(await added(watch)).toEqual([0]);
    expect(ruleset.asked).toMatchObject({ [Message.GET_RULE]: 2, [-1]: 1 });
  });

  it('goes on where a rule was replaced with its counter, and begins anew where without', async () => {
    const ruleset = new Ruleset();
    ruleset.rules = [Ruleset.rule(4, 20)];
    const watch = new RuleWatch(ruleset, () => 0);
    await watch.read();
    ruleset.rules = [Ruleset.rule(5, 23)];
    expect(await added(watch)).toEqual([3]);
    ruleset.rules = [Ruleset.rule(6, 2)];
    expect(await added(watch)).toEqual([2]);
  });

  it('takes no half reading for a change, and no bad message for a rule', async () => {
    const ruleset = new Ruleset();
    ruleset.rules = [Ruleset.rule(4, 20), Uint8Array.of(1, 0, 0, 0, 9, 9, 9, 9)];
    const watch = new RuleWatch(ruleset, () => 0);
    expect(await watch.read()).toMatchObject({ outcome: 'everything', bad: 1 });
    ruleset.interrupted = true;
    ruleset.rules = [];
    expect(await watch.read()).toMatchObject({ outcome: 'interrupted', deltas: [] });
    ruleset.interrupted = false;
    ruleset.rules = [Ruleset.rule(4, 21)];
    expect(await added(watch)).toEqual([1]);
  });
});
