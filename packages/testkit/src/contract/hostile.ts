import { FLOW_STRIDE, type Layout, type NetlinkMessage } from '@retina/sdk';
import type { ReplayNetlink } from '../replay/replay-netlink.ts';
import type { ReplayObject } from '../replay/replay-object.ts';

/** A small generator with a seed, so that what failed once fails again. */
export function random(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}

export type Fill = (bytes: Uint8Array, next: () => number) => void;

/** Ways to fill memory with what nobody should send. */
export const FILLS: Readonly<Record<string, Fill>> = {
  zeroes: () => undefined,
  ones: (bytes) => bytes.fill(0xff),
  'random bytes': (bytes, next) => {
    for (let i = 0; i < bytes.length; i++) bytes[i] = next();
  },
  'unprintable and quoting bytes': (bytes, next) => {
    const nasty = [0, 10, 13, 34, 39, 92, 0x80, 0xc3, 0xff, 123, 125];
    for (let i = 0; i < bytes.length; i++) bytes[i] = nasty[next() % nasty.length]!;
  },
};

/** Hands every open source of the objects batches nobody should send: empty ones, all ones, random bytes, huge losses. Returns how many. */
export function feedHostile(objects: readonly ReplayObject[], seed = 1): number {
  const next = random(seed);
  let fed = 0;
  for (const object of objects) {
    for (const { source, map, layout } of object.sources) {
      const stride = strideOf(layout);
      for (const fill of Object.values(FILLS)) {
        for (const [records, lost] of [
          [0, 0],
          [0, 4_000_000_000],
          [1, 0],
          [257, 1],
          [4096, 0],
        ] as const) {
          const bytes = new Uint8Array(new ArrayBuffer(records * stride));
          fill(bytes, next);
          // Flow records come from the native table, whose counts are numbers; the rest of the record is the packet's.
          if (source === 'flows') soundCounts(bytes, records);
          if (object.deliver({ source, map, stride, records, lost, bytes })) fed++;
        }
      }
    }
  }
  return fed;
}

/** Lengths no message should have, and such as only the first part of one would be. */
const LENGTHS = [0, 1, 3, 4, 5, 16, 20, 257, 4096];

/** Hands every subscription messages the kernel would not send, and lets every request from now on be answered by such. */
export function feedHostileNetlink(netlink: ReplayNetlink, seed = 1): void {
  const next = random(seed);
  const messages = (type: () => number): NetlinkMessage[] =>
    Object.values(FILLS).flatMap((fill) =>
      LENGTHS.map((length) => {
        const payload = new Uint8Array(length);
        fill(payload, next);
        return { type: type(), flags: next() & 0xffff, payload };
      }),
    );
  netlink.answer = (type) => messages(() => (next() % 4 === 0 ? next() & 0xffff : type));
  netlink.feed([], 4_000_000_000);
  // A type is that of a family's subsystem (upper byte) and message.
  for (const subsystem of [0, 1, 2, 0xff]) {
    const types = () => (subsystem << 8) | (next() & 0x1f);
    netlink.feed(messages(types), next() & 1);
  }
}

function strideOf(layout: Layout | undefined): number {
  return layout?.stride ?? FLOW_STRIDE;
}

function soundCounts(bytes: Uint8Array, records: number): void {
  const values = new Float64Array(bytes.buffer);
  for (let row = 0; row < records; row++) {
    const at = (row * FLOW_STRIDE) / 8;
    for (let field = 4; field < 9; field++) values[at + field] = Math.abs(values[at + field]!) % 2 ** 53 || 0;
  }
}
