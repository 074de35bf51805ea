import { type Netlink, type NetlinkMessage, type Translation, type Translations } from '@retina/sdk';
import { describe, expect, it } from 'vitest';
import { recorded } from '../test/recorded.ts';
import { Message, readEntry, Status } from './ctnetlink.ts';
import { Followed } from './followed.ts';

const message = (type: number, payload: Uint8Array): NetlinkMessage => ({ type, flags: 0, payload });

/** Keeps what it is told; has room for `room`. */
class Told implements Translations {
  readonly live = new Map<string, number>();
  readonly room: number;
  now = 0;
  constructor(room = Infinity) {
    this.room = room;
  }
  get size() {
    return this.live.size;
  }
  begin(translation: Translation): boolean {
    const key = `${translation.sourcePort}`;
    if (!this.live.has(key) && this.live.size >= this.room) return false;
    this.live.set(key, this.now);
    return true;
  }
  end(translation: Translation): void {
    this.live.delete(`${translation.sourcePort}`);
  }
  endOlder(time: number): void {
    for (const [key, told] of this.live) if (told < time) this.live.delete(key);
  }
}

function setUp(dumps: readonly (readonly NetlinkMessage[])[], room?: number) {
  const asked: number[] = [];
  const netlink: Netlink = {
    request({ payload }, handle) {
      asked.push(payload[11]!); // the status asked for, behind a header of 4 and the attribute's own of 4
      const messages = dumps[asked.length - 1] ?? [];
      handle(messages);
      return Promise.resolve({ messages: messages.length, interrupted: false });
    },
    subscribe: () => ({ [Symbol.dispose]: () => undefined }),
  };
  const counts: Record<string, number> = {};
  const count = (name: string) => (n: unknown = 1) => void (counts[name] = (counts[name] ?? 0) + (typeof n === 'number' ? n : 1)); // prettier-ignore
  const told = new Told(room);
  const heard = {
    begun: count('begun'), ended: count('ended'), noRoom: count('noRoom'), lost: count('lost'), bad: count('bad'), read: count('read'),
  }; // prettier-ignore
  return { followed: new Followed(netlink, told, heard, () => told.now), told, counts, asked };
}

describe('translated connections', () => {
  it('begin and end as the kernel tells', () => {
    const { followed, told, counts } = setUp([]);
    followed.take([message(Message.NEW, recorded('begun'))], 0);
    expect([...told.live.keys()]).toEqual(['60246']);
    followed.take([message(Message.DELETE, recorded('ended')), message(Message.NEW, Uint8Array.of(2, 0, 0, 0, 9))], 0);
    expect(told.size).toBe(0);
    expect(counts).toEqual({ begun: 1, ended: 1, bad: 1 });
  });

  it('are read at the start by what is translated, and again a while after messages were lost', async () => {
    const { followed, told, counts, asked } = setUp([
      [message(Message.NEW, recorded('begun'))],
      [message(Message.NEW, recorded('dumped'))],
      [], [],
    ]); // prettier-ignore
    await followed.check();
    expect(asked).toEqual([Status.DST_NAT, Status.SRC_NAT]);
    expect([...told.live.keys()]).toEqual(['60246', '7001']);
    told.now = 5000;
    await followed.check();
    followed.take([], 3);
    told.now = 14_000;
    await followed.check();
    expect(asked).toHaveLength(2);
    told.now = 16_000;
    await followed.check();
    expect(asked).toHaveLength(4);
    expect(told.size).toBe(0); // the second reading found them no more
    expect(counts).toMatchObject({ lost: 3, read: 2 });
  });

  it('are read once where the kernel does not know the question and sends everything', async () => {
    expect(readEntry(recorded('dumped'))!.status & Status.DST_NAT).toBe(0);
    const { followed, told, asked } = setUp([
      [message(Message.NEW, recorded('dumped')), message(Message.NEW, recorded('begun'))],
    ]);
    await followed.check();
    expect(asked).toHaveLength(1);
    expect(told.size).toBe(2);
  });

  it('that find no room are counted', () => {
    const { followed, counts } = setUp([], 0);
    followed.take([message(Message.NEW, recorded('begun'))], 0);
    expect(counts).toEqual({ noRoom: 1 });
  });
});
