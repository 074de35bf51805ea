import { randomUUID } from 'node:crypto';
import {
  type Endpoint,
  type ExporterContext,
  type FlowBatch,
  FlowWriter,
  type MetricFamily,
  Observation,
  Verdict,
} from '@retina/sdk';
import { config, type OtlpConfig } from '../src/options.ts';
import type { z } from 'zod';

const NOBODY: Endpoint = {
  id: 0, kind: 'unknown', namespace: '', name: '', workloads: [], labels: {}, service: '', zone: '', node: '', addresses: [],
}; // prettier-ignore

export const ENDPOINTS: readonly Endpoint[] = [
  NOBODY,
  { ...NOBODY, id: 1, kind: 'pod', namespace: 'shop', name: 'web-1', workloads: [{ kind: 'Deployment', name: 'web' }], node: 'n1' },
  { ...NOBODY, id: 2, kind: 'pod', namespace: 'data', name: 'db-0', workloads: [{ kind: 'StatefulSet', name: 'db' }], zone: 'b' },
  { ...NOBODY, id: 3, kind: 'pod', namespace: 'shop', name: 'web-2', workloads: [{ kind: 'Deployment', name: 'web' }], node: 'n1' },
]; // prettier-ignore

/** What the host would give an exporter; `families` may be changed between pushes. */
export function context(options: z.input<typeof config>, families: () => MetricFamily[] = () => []) {
  const released: (() => void | Promise<void>)[] = [];
  const ctx = {
    signal: new AbortController().signal,
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    use: <T>(resource: T) => resource,
    defer: (release: () => void) => void released.push(release),
    every: () => {},
    degrade: () => ({ [Symbol.dispose]: () => {} }),
    config: config.parse(options),
    instance: 'otlp',
    host: { nodeName: 'node-7', clusterName: 'test', version: '1.2.3' },
    metrics: { families },
    endpoints: { byId: (id: number) => ENDPOINTS[id] ?? NOBODY, byAddress: () => NOBODY },
    flows: {
      json: () => ({}),
      // Verdicts only: the host's own filter is tested where it is.
      filter: (terms: { verdict?: string }) => (batch: FlowBatch, row: number) =>
        batch.verdict(row) === ['unknown', 'forwarded', 'dropped'].indexOf(terms.verdict!),
    },
    labelText: (id: number) => `label ${id}`,
    health: () => ({ live: true, ready: true, components: [], problems: [] }),
    serves: () => {},
  } as unknown as ExporterContext<OtlpConfig>;
  return {
    ctx,
    async [Symbol.asyncDispose]() {
      for (const release of released.reverse()) await release();
    },
  };
}

const mapped = (a: number, b: number, c: number, d: number): Uint8Array =>
  Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d);

/** `n` records: every tenth dropped, ports by record, endpoints 1 and 3 by turns to 2. */
export function flowBatch(n: number): FlowBatch {
  const writer = new FlowWriter(n);
  for (let i = 0; i < n; i++) {
    writer.add({
      family: 4, sourceAddress: mapped(10, 0, 0, 1 + (i % 2)), destinationAddress: mapped(10, 0, 1, 9), protocol: 6,
      sourcePort: 40_000 + (i % 1000), destinationPort: 5432, packets: 2, bytes: 100 + i, retransmits: 0,
      verdict: i % 10 === 9 ? Verdict.DROPPED : Verdict.FORWARDED, dropReason: 4, observation: Observation.FROM_ENDPOINT, direction: 2,
      isReply: 0, sourceEndpoint: 1 + 2 * (i % 2), destinationEndpoint: 2, start: 1_700_000_000_000 + i, end: 1_700_000_001_000 + i,
      firstSeen: 1_700_000_000_000, fresh: 1, flowId: i,
    }); // prettier-ignore
  }
  const batch = writer.batch();
  for (let i = 0; i < n; i++) batch.setEndpoints(i, 1 + 2 * (i % 2), 2, 0);
  return batch;
}

export const never = new AbortController().signal;
export const uniqueName = (): string => `m_${randomUUID().slice(0, 8)}`;
