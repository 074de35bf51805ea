import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LoaderApi } from '@retina/loader';
import type { NetlinkMessage, NetlinkRequest } from '@retina/sdk';
import { afterAll, expect, test } from 'vitest';
import { recorder } from './recorder.ts';
import { readRecording, writeRecording } from './recording.ts';
import { replay } from './replay.ts';

const folder = mkdtempSync(join(tmpdir(), 'retina-netlink-'));
afterAll(() => rmSync(folder, { recursive: true }));

const REQUEST: NetlinkRequest = { family: 4, type: 20, flags: 0x300, payload: Uint8Array.of(2, 6) };
const message = (type: number, ...payload: number[]): NetlinkMessage => ({
  type,
  flags: 2,
  payload: Uint8Array.from(payload),
});
const plain = (messages: readonly NetlinkMessage[]) => messages.map(({ type, payload }) => [type, [...payload]]);

/** A loader as far as netlink goes: two answers to the same request, one notification, one device. */
function loader(): LoaderApi {
  const answers = [[message(20, 1), message(20, 1, 2, 3, 4, 5)], [message(20, 9)]];
  const asked = replay().loader;
  return {
    ...asked,
    netlinkRequest: async (_, handle) => {
      const answer = answers.shift()!;
      for (const one of answer) handle([one]);
      return Promise.resolve({ messages: answer.length, interrupted: answer.length === 1 });
    },
    netlinkSubscribe: (_family, _groups, handle) => {
      handle([message(256, 7, 7)], 3);
      return { [Symbol.dispose]: () => undefined };
    },
    deviceStatistics: async (name) => Promise.resolve(name === 'eth0' ? new Map([['rx\n"drops', 5]]) : undefined),
  };
}

test('what netlink and devices said once is said again, in order, without a kernel', async () => {
  const recording = recorder(loader());
  const file = join(folder, 'netlink.bin');
  await recording.loader.netlinkRequest(REQUEST, () => undefined);
  await recording.loader.netlinkRequest(REQUEST, () => undefined);
  recording.loader.netlinkSubscribe(12, [3, 1], () => undefined);
  await recording.loader.deviceStatistics('eth0');
  await recording.loader.deviceStatistics('lo');
  writeRecording(file, recording.recording());

  const played = replay(readRecording(file));
  const seen: unknown[] = [];
  const ask = (request: NetlinkRequest) =>
    played.loader.netlinkRequest(request, (messages) => void seen.push(plain(messages)));
  expect(await ask(REQUEST)).toEqual({ messages: 2, interrupted: false });
  expect(await ask(REQUEST)).toEqual({ messages: 1, interrupted: true });
  expect(await ask(REQUEST)).toEqual({ messages: 1, interrupted: true }); // the last stands for all that follow
  const [long, short] = [[[20, [1]], [20, [1, 2, 3, 4, 5]]], [[20, [9]]]]; // prettier-ignore
  expect(seen).toEqual([long, short, short]);
  await expect(ask({ ...REQUEST, type: 21 })).rejects.toThrow(/RETINA_NETLINK_FAILED|knows nothing of this request/);

  const told: unknown[] = [];
  const watch = played.loader.netlinkSubscribe(12, [1, 3], (messages, lost) => void told.push(plain(messages), lost));
  played.loader.netlinkSubscribe(12, [2], () => void told.push('another group'));
  expect(played.play()).toBe(1);
  expect(told).toEqual([[[256, [7, 7]]], 3]);
  expect(played.open).toHaveLength(2);
  watch[Symbol.dispose]();
  expect(played.open).toEqual(['netlink subscribe 12 2']);

  expect(await played.loader.deviceStatistics('eth0')).toEqual(new Map([['rx\n"drops', 5]]));
  expect(await played.loader.deviceStatistics('lo')).toBeUndefined();
});

test('an answer that is not split comes as it lay in memory, and is recorded as its messages', async () => {
  const unsplit = { ...REQUEST, unsplit: true };
  const whole = recorder(loader());
  await whole.loader.netlinkRequest(REQUEST, () => undefined);
  const played = replay(whole.recording());
  let bytes = 0;
  const answer = await played.loader.netlinkRequest(unsplit, (messages) => {
    expect(messages).toHaveLength(1);
    bytes = messages[0]!.payload.length;
  });
  expect([answer.messages, bytes]).toEqual([2, 20 + 24]); // headers of 16, payloads padded to 4
});
