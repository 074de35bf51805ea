import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Netlink, RetinaError } from '@retina/sdk';
import { afterEach, describe, expect, it } from 'vitest';
import { recorded } from '../test/recorded.ts';
import { Message } from './ctnetlink.ts';
import { STATISTICS } from './declarations.ts';
import { Deltas, TableReader } from './statistics.ts';

const HEAD = 'entries  clashres found new invalid ignore delete chainlength insert insert_failed drop early_drop icmp_error  expect_new expect_create expect_delete search_restart'; // prettier-ignore
const ROW = '00000001  00000000 00000001 00000000 0000000a 00000000 00000000 00000000 00000000 00000002 00000002 00000000 00000000  00000000 00000000 00000000 00000000'; // prettier-ignore

const folders: string[] = [];
afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true })));

function proc(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'retina-conntrack-'));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

/** A kernel that answers with these payloads, by type; none at all: it refuses. */
function kernel(answers?: Readonly<Record<number, readonly Uint8Array[]>>): Netlink {
  return {
    request({ type }, handle) {
      if (!answers) return Promise.reject(new RetinaError('RETINA_NETLINK_FAILED', 'EPERM'));
      const messages = (answers[type] ?? []).map((payload) => ({ type, flags: 0, payload }));
      handle(messages);
      return Promise.resolve({ messages: messages.length, interrupted: false });
    },
    subscribe: () => ({ [Symbol.dispose]: () => undefined }),
  };
}

const column = (name: string) => STATISTICS.findIndex(([, , family]) => family === name);

describe('the state of the connection table', () => {
  it('comes over netlink', async () => {
    let bad = 0;
    const answers = {
      [Message.GET_STATS_CPU]: [recorded('cpu'), Uint8Array.of(1)],
      [Message.GET_STATS]: [recorded('table')],
    };
    const state = await new TableReader(kernel(answers), () => bad++, proc({})).read();
    expect(state).toMatchObject({ entries: 1, limit: 262_144 });
    expect(state!.byCpu.get(1)![column('conntrack_insert_failed_total')]).toBe(2);
    expect(bad).toBe(1);
  });

  it('comes from /proc where netlink is refused, and lines that cannot be are counted', async () => {
    let bad = 0;
    const folder = proc({
      'sys/net/netfilter/nf_conntrack_count': '1\n',
      'sys/net/netfilter/nf_conntrack_max': '100\n',
      'net/stat/nf_conntrack': [HEAD, ROW, ROW, 'nonsense', ROW.replace('0000000a', '-1')].join('\n'),
    });
    const reader = new TableReader(kernel(), () => bad++, folder);
    const state = await reader.read();
    expect(state).toMatchObject({ entries: 1, limit: 100 });
    const sums = new Deltas().take(state!.byCpu);
    expect(sums[column('conntrack_invalid_total')]).toBe(20);
    expect(sums[column('conntrack_drop_total')]).toBe(4);
    expect(bad).toBe(2);
    expect(reader.refused?.code).toBe('RETINA_NETLINK_FAILED');
  });

  it.each([
    ['nothing is there', {}],
    ['files are empty', { 'sys/net/netfilter/nf_conntrack_count': '', 'sys/net/netfilter/nf_conntrack_max': '' }],
    [
      'files are foreign',
      { 'sys/net/netfilter/nf_conntrack_count': '<html>', 'sys/net/netfilter/nf_conntrack_max': '1e9' },
    ],
  ])('is unknown where %s', async (_, files) => {
    expect(await new TableReader(kernel(), () => undefined, proc(files)).read()).toBeUndefined();
  });

  it('counts on when a CPU’s own counter wraps', () => {
    const deltas = new Deltas();
    const row = (value: number) => new Map([[0, STATISTICS.map(() => value)]]);
    expect(deltas.take(row(0xffff_fff0))[0]).toBe(0xffff_fff0);
    expect(deltas.take(row(16))[0]).toBe(32);
  });
});
