import { createServer } from 'node:net';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { FlowEvent, Reply, type FlowAnnotation } from '@retina/sdk';
import { describe, expect, test } from 'vitest';
import { kernelFeatures } from '../src/index.ts';
import { Cable, Observer, type Count, type RingSizes } from './flow-world.ts';

const cpus = kernelFeatures().possibleCpus;

/** What was sent is what the rows say plus what the tables say they could not hold, to the byte. */
async function settle(observer: Observer, sent: Count): Promise<{ attributed: Count; lost: Count }> {
  await observer.source.flush();
  const stats = observer.source.stats();
  const lost = { packets: stats.overflowPackets, bytes: stats.overflowBytes };
  for (const { packets, bytes } of Object.values(stats.unparsed))
    expect({ packets, bytes }).toEqual({ packets: 0, bytes: 0 });
  expect({ packets: stats.packets, bytes: stats.bytes }).toEqual(observer.total);
  expect({ packets: observer.total.packets + lost.packets, bytes: observer.total.bytes + lost.bytes }).toEqual(sent);
  expect(stats.skipped).toBe(0);
  return { attributed: observer.total, lost };
}

function add(...counts: readonly Count[]): Count {
  return counts.reduce((sum, one) => ({ packets: sum.packets + one.packets, bytes: sum.bytes + one.bytes }), {
    packets: 0,
    bytes: 0,
  });
}

describe('every packet and byte is in a flow', () => {
  test.each([
    ['one flow', 200_000, 1, 4, false],
    ['1 000 flows', 200_000, 1000, 4, false],
    ['1 000 flows of IPv6', 200_000, 1000, 6, true],
    ['200 000 flows', 500_000, 200_000, 4, true],
    ['200 000 flows, each seen twice', 400_000, 200_000, 4, false],
  ] as const)('%s', { timeout: 60_000 }, async (_name, packets, flows, family, random) => {
    using cable = new Cable();
    await using observer = await Observer.open(cpus);
    await observer.tap(cable);
    const sent = await cable.send('ingress', packets, flows, family, random);
    const { lost } = await settle(observer, sent);
    expect(lost).toEqual({ packets: 0, bytes: 0 });
    if (!random) expect(observer.flows.size).toBe(flows);
    if (flows === 1) expect(observer.rows).toBeLessThan(20);
  });

  test('both hooks at once', async () => {
    using cable = new Cable();
    await using observer = await Observer.open(cpus);
    await observer.tap(cable);
    const sent = await Promise.all([cable.send('ingress', 100_000, 5000), cable.send('egress', 100_000, 5000)]);
    await settle(observer, add(...sent));
    expect(observer.flows.size).toBe(10_000);
  });
});

describe('full tables count what they cannot hold', () => {
  const tiny: RingSizes = { units: 64, spill: 100, overflow: 4 };
  test.each<[string, RingSizes, number, boolean]>([
    ['ring', { units: 64 }, 262_144, false],
    ['ring and spill', { units: 64, spill: 100 }, 262_144, true],
    ['flow table', {}, 100, true],
    ['everything', tiny, 100, true],
    ['no ring at all', { cpus: 0, spill: 1000 }, 262_144, true],
    ['a ring for one CPU only', { cpus: 1, units: 1024 }, 262_144, false],
  ])('%s', { timeout: 60_000 }, async (name, sizes, maxFlows, loses) => {
    using cable = new Cable();
    await using observer = await Observer.open(cpus, sizes, { maxFlows });
    await observer.tap(cable);
    const sent = await Promise.all([
      cable.send('ingress', 150_000, 8000, 4, true),
      cable.send('egress', 150_000, 8000, 6, true),
    ]);
    const { lost, attributed } = await settle(observer, add(...sent));
    if (loses) expect(lost.packets).toBeGreaterThan(0);
    expect(attributed.packets).toBeGreaterThan(0);
    const { unattributed, spilled } = observer.source.stats();
    if (name === 'flow table') expect(unattributed['flow_table']!.packets).toBe(lost.packets);
    if (name !== 'flow table') expect(spilled).toBeGreaterThan(0);
  });

  test('an interface whose overflow has no room', async () => {
    using cable = new Cable();
    await using observer = await Observer.open(cpus, { cpus: 0, spill: 1, overflow: 1 });
    await observer.tap(cable);
    const sent = await Promise.all([cable.send('ingress', 10_000, 100), cable.send('egress', 10_000, 100)]);
    const { lost } = await settle(observer, add(...sent));
    expect(lost.packets).toBeGreaterThan(19_000);
  });
});

test('interfaces come and go, their counts stay', { timeout: 60_000 }, async () => {
  await using observer = await Observer.open(cpus, { units: 1024 }, { intervalMs: 10_000 });
  const sent: Count[] = [];
  let namespaces = 0;
  observer.onBatch = (batch) => {
    for (let row = 0; row < batch.length; row++) namespaces += batch.netns(row) > 0 ? 1 : 0;
  };
  using steady = new Cable();
  await observer.tap(steady);
  for (let round = 0; round < 8; round++) {
    using cable = new Cable();
    await observer.tap(cable);
    const [one, other] = await Promise.all([cable.send('ingress', 5000, 700), steady.send('egress', 5000, 300)]);
    sent.push(one, other);
    await sleep(20);
    cable.remove();
    observer.source.removeInterface(cable.ifindex);
  }
  await settle(observer, add(...sent));
  expect(namespaces).toBe(observer.rows);
  expect(observer.source.stats().flows).toBe(8 * 700 + 300);
});

test('a busy event loop delays records and loses none', { timeout: 60_000 }, async () => {
  using cable = new Cable();
  await using observer = await Observer.open(cpus, {}, { intervalMs: 100 });
  await observer.tap(cable);
  const sending = cable.send('ingress', 400_000, 100_000);
  const until = Date.now() + 1500;
  observer.onBatch = () => {
    while (Date.now() < until); // a handler that does not come back for long
    observer.onBatch = undefined;
  };
  await settle(observer, await sending);
  expect(observer.source.stats().deferred).toBeGreaterThan(0);
  expect(observer.flows.size).toBe(100_000);
});

test('rings that are half full are read while JavaScript holds every slab', { timeout: 60_000 }, async () => {
  using cable = new Cable();
  // Read only when they ask for it, the rings hold a part of what is sent.
  const sizes = { units: 32_768, spill: 1024 };
  await using observer = await Observer.open(cpus, sizes, { drainMs: 60_000, intervalMs: 100 });
  await observer.tap(cable);
  const sent: Count[] = [];
  observer.onBatch = () => {
    observer.onBatch = undefined;
    sent.push(cable.sendNow('ingress', 200_000, 200_000));
  };
  while (observer.batches === 0) sent.push(await cable.send('ingress', 40_000, 40_000));
  const { lost } = await settle(observer, add(...sent));
  // Mostly 0, and 176 000 where nobody listens; a busy machine may be late for some.
  expect(lost.packets).toBeLessThan(50_000);
  expect(observer.source.stats().deferred).toBeGreaterThan(0);
});

test('a flow bears what it was annotated with, until that is told anew', async () => {
  using cable = new Cable();
  await using observer = await Observer.open(cpus);
  await observer.tap(cable);
  let flow: FlowAnnotation | undefined;
  const seen: number[][] = [];
  observer.onBatch = (batch) => {
    for (let row = 0; row < batch.length; row++) {
      flow ??= {
        source: batch.sourceAddress(row).slice(),
        destination: batch.destinationAddress(row).slice(),
        sourcePort: batch.sourcePort(row),
        destinationPort: batch.destinationPort(row),
        protocol: batch.protocol(row),
      };
      seen.push([batch.packets(row), batch.rttMicros(row), batch.minRttMicros(row), batch.setupMicros(row), batch.retransmits(row)]); // prettier-ignore
    }
  };
  await cable.send('ingress', 10, 1);
  await observer.source.flush();
  seen.length = 0;
  observer.source.annotate({ ...flow!, rttMicros: 1500, minRttMicros: 900, setupMicros: 70_000, retransmits: 3 });
  await observer.source.flush();
  observer.source.annotate({ ...flow!, rttMicros: 1600 });
  await observer.source.flush();
  expect(seen).toEqual([
    [0, 1500, 900, 70_000, 3],
    [0, 1600, 900, 70_000, 0],
  ]);
});

test('starts, ends and resets of connections do not wait for the interval', { timeout: 60_000 }, async () => {
  using cable = new Cable({ ours: '198.18.77.1/30', theirs: '198.18.77.2/30' });
  await using observer = await Observer.open(cpus, {}, { intervalMs: 60_000 });
  await observer.tap(cable);
  const seen: { event: number; port: number; at: number; reply: number; firstSeen: number }[] = [];
  observer.onBatch = (batch) => {
    const at = Date.now();
    for (let row = 0; row < batch.length; row++) {
      if (batch.protocol(row) !== 6 || batch.event(row) === FlowEvent.UPDATE) continue;
      const port = batch.sourcePort(row) === 8077 ? batch.destinationPort(row) : batch.sourcePort(row);
      seen.push({ event: batch.event(row), port, at, reply: batch.isReply(row), firstSeen: batch.firstSeen(row) });
    }
  };
  const server = createServer((socket) => socket.resume().on('end', () => socket.end())).listen(8077, '198.18.77.1');
  await once(server, 'listening');
  // Connects, waits, closes; then is refused. Prints when each happened, by the clock both sides share.
  const { stdout } = await cable.node(`
    const net = require('node:net');
    const at = {};
    const socket = net.connect(8077, '198.18.77.1', () => {
      at.start = Date.now();
      at.port = socket.localPort;
      setTimeout(() => { socket.end(); }, 300);
    });
    socket.resume().on('close', () => {
      at.end = Date.now();
      net.connect(8078, '198.18.77.1').on('error', () => { at.reset = Date.now(); console.log(JSON.stringify(at)); });
    });`);
  await expect.poll(() => seen.filter((row) => row.event === FlowEvent.RESET).length).toBe(1);
  server.close();
  const at = JSON.parse(stdout) as { start: number; end: number; reset: number; port: number };
  const [start, end] = [FlowEvent.START, FlowEvent.END].map((event) =>
    seen.filter((row) => row.event === event && row.port === at.port),
  );
  expect(start).toHaveLength(1);
  expect(end).toHaveLength(1);
  expect(start![0]).toMatchObject({ reply: Reply.NO });
  const reset = seen.filter((row) => row.event === FlowEvent.RESET);
  expect(reset).toHaveLength(1);
  expect(reset[0]).toMatchObject({ reply: Reply.YES });
  for (const [told, happened] of [
    [start![0]!.at, at.start],
    [end![0]!.at, at.end],
    [reset[0]!.at, at.reset],
  ] as const) {
    expect(told - happened).toBeLessThan(20_000); // the interval is three times as long
  }
  expect(Math.abs(start![0]!.firstSeen - at.start)).toBeLessThan(20_000); // by the same clock
  const stats = observer.source.stats();
  expect(stats.connections).toBe(2);
  expect(stats.forwardPackets).toBeGreaterThan(stats.replyPackets - 3);
});
