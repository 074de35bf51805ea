import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FlowBatch, FlowDetails } from '@retina/sdk';
import { batchOf, detailedBatchOf, names, pods, T } from '../../test/flows.ts';
import { FlowHistory } from '../flows/history.ts';
import { flowJson, type FlowJson } from '../flows/json.ts';
import { memoryLogger } from '../host/testing.ts';
import { EndpointTable } from '../identity/table.ts';
import { FlowArchive, type ArchiveOptions } from './archive.ts';
import { pastFlows } from './query.ts';

let directory: string;
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'retina-history-'))));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const files = () => readdirSync(directory).map((name) => join(directory, name));

/** One run of an agent: a memory of 100 records, and the disk. */
async function run(more: Partial<ArchiveOptions> = {}, table = pods()) {
  const lost = { memory: 0, disk: 0 };
  const [history, known] = [new FlowHistory(100), names(table)];
  const options = { directory, maxBytes: 1 << 20, maxAgeMs: 3_600_000, names: known, log: memoryLogger(), lost: (n: number) => void (lost.disk += n) };
  const archive = await FlowArchive.open({ ...options, ...more });
  const emit = (batch: FlowBatch) => {
    history.append(batch);
    archive.append(batch, history.appended - batch.length);
  };
  const query = async (text: string, limit = Infinity, pause?: () => void) => {
    const found: FlowJson[] = [];
    const asked = { query: new URLSearchParams(text), limit, chunk: 16 };
    const sources = { history, archive, names: known, lost: (n: number) => void (lost.memory += n) };
    for await (const lines of pastFlows(sources, asked, flowJson)) {
      found.push(...lines);
      pause?.();
    }
    return found;
  };
  return { archive, history, emit, query, lost, [Symbol.asyncDispose]: () => archive[Symbol.asyncDispose]() };
} // prettier-ignore

/** `count` records numbered by source port, a second apart, of web-1 (endpoint 1) to dns (endpoint 2). */
const numbered = (from: number, count: number) =>
  batchOf(...Array.from({ length: count }, (_, i) => ({ sourcePort: from + i, sourceEndpoint: 1, destinationEndpoint: 2, start: T + 1000 * (from + i), end: T + 1000 * (from + i) }))); // prettier-ignore
const ports = (records: readonly FlowJson[]) => records.map(({ l4 }) => l4['UDP']!['source_port'] as number);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

describe('FlowArchive', () => {
  it('answers from disk and memory as from one, by time, filter and number', async () => {
    await using one = await run();
    for (let n = 0; n < 5000; n += 250) one.emit(numbered(n, 250));
    expect(ports(await one.query(''))).toEqual(range(0, 5000));
    expect(ports(await one.query('', 10))).toEqual(range(4990, 5000));
    expect(ports(await one.query('', 3000))).toEqual(range(2000, 5000));
    const [since, until] = [1000, 1009].map((n) => new Date(T + n * 1000).toISOString());
    expect(ports(await one.query(`since=${since}&until=${until}`))).toEqual(range(1000, 1010));
    expect(ports(await one.query('port=17,4999,53&source-pod=shop/web-1&source-port=17,4999'))).toEqual([17, 4999]);
    expect(await one.query('pod=shop/other')).toEqual([]);
    await expect(one.query('since=yesterday')).rejects.toMatchObject({ code: 'RETINA_REQUEST_INVALID' });
    expect(one.lost).toEqual({ memory: 0, disk: 0 });
  });

  it('leaves nothing out when memory moves on while somebody reads', async () => {
    await using one = await run();
    for (let n = 0; n < 1000; n += 100) one.emit(numbered(n, 100));
    let more = 1000;
    const pause = () => void (more < 1200 && one.emit(numbered((more += 20) - 20, 20)));
    expect(ports(await one.query('', Infinity, pause))).toEqual(range(0, 1000));
    expect(one.lost.memory).toBe(0);
  });

  it('still knows after a restart who it was, and what hung off a record', async () => {
    const dns = { id: 7, response: true, query: 'a.test', queryType: 'A', addresses: ['192.0.2.1'] };
    const details: FlowDetails = { dns, packet: new Uint8Array([69, 0, 255]), policies: [{ kind: 'nftables', name: 'x' }] };
    const before = pods();
    let told: FlowJson[];
    {
      await using one = await run({}, before);
      one.emit(numbered(0, 2));
      one.emit(detailedBatchOf(undefined, details));
      one.emit(batchOf({ verdict: 2, dropReason: 2, dropLocation: 3, ifindex: 10 }));
      told = await one.query('');
    }
    await using two = await run({}, new EndpointTable()); // the pods are gone, and ids begin anew
    two.emit(batchOf({ sourcePort: 9, sourceEndpoint: 1 }));
    const found = await two.query('');
    expect(found.slice(0, -1)).toEqual(told);
    expect(found[0]).toMatchObject({ source: { namespace: 'shop', pod_name: 'web-1' }, node_name: 'node-1' });
    expect(found.slice(-2)).toMatchObject([{ drop_reason_desc: 'NO_SOCKET', interface: { name: 'veth10' } }, { source: { kind: 'unknown' } }]);
    expect(ports(await two.query('pod=shop/web-1'))).toEqual([0, 1]);
  }); // prettier-ignore

  it('survives files that are cut off, damaged, or not its own', async () => {
    for (const from of [0, 100, 200]) {
      await using one = await run();
      one.emit(numbered(from, 50));
      await one.archive.flush();
      one.emit(numbered(from + 50, 50));
    }
    const [first, second, third] = files();
    truncateSync(first!, statSync(first!).size - 7);
    const bytes = readFileSync(second!);
    bytes[100]! ^= 255; // in the first block's payload
    writeFileSync(second!, bytes);
    appendFileSync(third!, 'RFB1 and then nothing that makes sense');
    writeFileSync(join(directory, 'flows-0000000009.seg'), Buffer.alloc(1000, 255));
    writeFileSync(join(directory, 'README'), 'not ours');
    await using two = await run();
    two.emit(numbered(300, 10));
    expect(ports(await two.query(''))).toEqual([...range(0, 50), ...range(150, 300), ...range(300, 310)]);
    expect(two.archive.damaged).toBe(4);
    expect(files().map((file) => file.slice(-6))).toContain('10.seg'); // it writes to one of its own
  });

  it('takes no more bytes than it may, and forgets what is old by a clock that does not jump', async () => {
    let clock = 0;
    await using one = await run({ maxBytes: 300_000, maxAgeMs: 60_000, monotonic: () => clock });
    for (let n = 0; n < 60_000; n += 1000) {
      one.emit(batchOf(...Array.from({ length: 1000 }, (_, i) => ({ sourcePort: n + i, bytes: Math.random() * 2 ** 40, packets: Math.random() * 2 ** 40 }))));
      await one.archive.flush();
      expect(files().reduce((sum, file) => sum + statSync(file).size, 0)).toBeLessThanOrEqual(300_000);
    }
    const kept = ports(await one.query(''));
    expect(kept).toEqual(range(60_000 - kept.length, 60_000));
    expect(kept.length).toBeGreaterThan(1000);
    clock = 60_001;
    one.emit(numbered(1, 1));
    await one.archive.flush();
    expect(files()).toHaveLength(1);
    expect(ports(await one.query('')).at(-1)).toBe(1);
  }); // prettier-ignore

  it('counts what the disk does not take, says so, and goes on when it does', async () => {
    await using one = await run({ maxBytes: 1 << 20 });
    rmSync(directory, { recursive: true });
    writeFileSync(directory, 'a file where the folder was');
    one.emit(numbered(0, 150));
    await one.archive.flush();
    expect(one.lost.disk).toBe(150);
    expect(one.archive.problem).toMatchObject({ code: 'RETINA_EXPORT_FAILED' });
    expect(ports(await one.query(''))).toEqual(range(50, 150)); // what memory has
    rmSync(directory);
    mkdirSync(directory);
    one.emit(numbered(150, 150));
    expect(ports(await one.query(''))).toEqual(range(150, 300));
    expect(one.archive.problem).toBeUndefined();
    expect(one.lost.disk).toBe(150);
  });
});
