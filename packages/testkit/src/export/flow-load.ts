import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Host, loadConfig } from '@retina/core';
import { API, definePlugin, type Exporter, type FlowBatch, FlowWriter } from '@retina/sdk';
import { z } from 'zod';
import { mappedAddress } from '../packets/index.ts';
import { type Turns, watchTurns } from './cost.ts';

export interface FlowLoadOptions {
  readonly exporter: Exporter;
  /** Its part of the configuration, the host's keys for it included. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Records a second, and for how long. */
  readonly rate: number;
  readonly seconds: number;
  /** More of the host's configuration: `flows`, say. */
  readonly config?: Readonly<Record<string, unknown>>;
}

/** What became of the records of a {@link flowLoad}. */
export interface FlowLoad {
  readonly sent: number;
  readonly delivered: number;
  /** By the cause the host counted. */
  readonly lost: Readonly<Record<string, number>>;
  /** Must be 0: neither delivered nor lost. */
  readonly unaccounted: number;
  /** Records the history on disk could not keep. */
  readonly historyLost: number;
  readonly longestTurn: Turns;
  /** The same without the first second, in which code is compiled and the heap finds its size. */
  readonly settledTurn: Turns;
  /** Of the process, all threads, in cores. */
  readonly cores: number;
  readonly rssMiB: { readonly before: number; readonly most: number };
}

const TICK_MS = 10;
const SETTLING_MS = 1000;
const PODS = 200;
const TEMPLATES = 16;

/** Offers an exporter flow records of 200 pods at a rate, through a real host, and counts what became of each. */
export async function flowLoad({ exporter, options, rate, seconds, config = {} }: FlowLoadOptions): Promise<FlowLoad> {
  const folder = mkdtempSync(join(tmpdir(), 'retina-load-'));
  const identities = join(folder, 'identities.json');
  writeFileSync(identities, JSON.stringify({ endpoints: Array.from({ length: PODS }, (_, i) => pod(i)) }));
  let emit!: (batch: FlowBatch) => void;
  const source = definePlugin({
    name: 'load', api: API, description: 'Flow records at a rate.', stability: 'experimental', platforms: ['linux'],
    needs: { capabilities: [] }, config: z.object({}), metrics: {},
    setup: (ctx) => void (emit = (batch) => ctx.flows.emit(batch)),
  }); // prettier-ignore
  const text = JSON.stringify({
    plugins: { load: {} }, exporters: { [exporter.name]: options }, logLevel: 'fatal',
    identity: { local: false, file: identities }, api: { socket: false }, ...config,
  }); // prettier-ignore
  const host = await Host.start(loadConfig({ text, environment: {} }).config, {
    loader: null,
    components: { load: source, [exporter.name]: exporter },
  });
  try {
    return await offered(host, emit, { rate, seconds });
  } finally {
    await host.stop(10_000);
    rmSync(folder, { recursive: true, force: true });
  }
}

async function offered(
  host: Host,
  emit: (batch: FlowBatch) => void,
  { rate, seconds }: { rate: number; seconds: number },
): Promise<FlowLoad> {
  const per = Math.max(1, Math.round((rate * TICK_MS) / 1000));
  const batches = Array.from({ length: TEMPLATES }, (_, i) => template(per, i));
  const before = Math.round(process.memoryUsage.rss() / 2 ** 20);
  let most = 0;
  let sent = 0;
  const cpu = process.cpuUsage();
  const turns = watchTurns('millisecond');
  let settled: (() => Turns) | undefined;
  const settling = setTimeout(() => (settled = watchTurns('millisecond')), SETTLING_MS);
  const began = performance.now();
  for (let n = 0; performance.now() < began + seconds * 1000;) {
    // One batch a turn, and as many as are due: a late timer does not lower the rate.
    if (sent + per <= ((performance.now() - began) / 1000) * rate) {
      emit(batches[n++ % TEMPLATES]!);
      sent += per;
      await new Promise((done) => setImmediate(done));
    } else await sleep(1);
    if (n % 16 === 0) most = Math.max(most, process.memoryUsage.rss());
  }
  clearTimeout(settling);
  const longestTurn = turns();
  const settledTurn = settled?.() ?? longestTurn;
  const { user, system } = process.cpuUsage(cpu);
  const cores = Math.round((user + system) / 1e4 / seconds) / 100;
  await host.stop(10_000);
  const lost = totals(host, 'retina_export_lost_records_total', 'cause');
  const delivered = sum(totals(host, 'retina_export_delivered_records_total', 'exporter'));
  return {
    sent,
    delivered,
    lost,
    unaccounted: sent - delivered - sum(lost),
    historyLost: totals(host, 'retina_lost_records_total', 'component')['disk'] ?? 0,
    longestTurn,
    settledTurn,
    cores,
    rssMiB: { before, most: Math.round(most / 2 ** 20) },
  };
}

function totals(host: Host, name: string, label: string): Record<string, number> {
  const found: Record<string, number> = {};
  for (const family of host.metrics.families()) {
    if (family.name !== name) continue;
    const by = family.labels.indexOf(label);
    for (let row = 0; row < family.size; row++) {
      if (!family.live(row) || family.value(row) === 0) continue;
      found[family.label(row, by)] = (found[family.label(row, by)] ?? 0) + family.value(row);
    }
  }
  return found;
}

const sum = (values: Readonly<Record<string, number>>): number => Object.values(values).reduce((a, b) => a + b, 0);

const address = (i: number): string => `10.1.${i >> 8}.${i & 255}`;

function pod(i: number): object {
  return {
    namespace: `team-${i % 12}`,
    name: `web-${i % 40}-${(i * 7919).toString(36)}`,
    workload: { kind: 'Deployment', name: `web-${i % 40}` },
    labels: { app: `web-${i % 40}` },
    addresses: [address(i)],
  };
}

function template(records: number, seed: number): FlowBatch {
  const writer = new FlowWriter(records);
  const now = Date.now();
  for (let i = 0; i < records; i++) {
    const n = seed * records + i;
    const [from, to] = [(n * 31) % PODS, (n * 17 + 5) % PODS];
    writer.add({
      family: 4, sourceAddress: mappedAddress(address(from)), destinationAddress: mappedAddress(address(to)), protocol: 6,
      sourcePort: 32_768 + ((n * 101) % 28_000), destinationPort: 8000 + (to % 20), packets: 1 + (n % 50), bytes: 60 + ((n * 97) % 100_000),
      verdict: 1, observation: n % 4, direction: 1 + (n % 2), isReply: n % 2, rttMicros: n % 1000, ifindex: 1 + (from % 30),
      tcpFlags: 0x18, flagCounts: [0, 0, 0, 1, 1 + (n % 5)], start: now - 1000 + (n % 1000), end: now + (n % 1000),
      firstSeen: now - 60_000, fresh: 1, flowId: n,
    }); // prettier-ignore
  }
  return writer.batch();
}
