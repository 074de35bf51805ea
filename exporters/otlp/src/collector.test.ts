import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { MetricFamily } from '@retina/sdk';
import type { z } from 'zod';
import { Certificates, family } from '@retina/testkit';
import { Collector, collectorBinary } from '../test/collector.ts';
import { context, flowBatch, never } from '../test/context.ts';
import type { config } from './options.ts';
import { openSink } from './sink.ts';

const unavailable = await collectorBinary().then(
  () => undefined,
  (error: Error) => error.message.split('\n', 1)[0],
);
if (unavailable !== undefined && process.env['CI'] === 'true') throw new Error(`no collector: ${unavailable}`);

/** 8 buckets that double from 2^-3: bounds 2^-3 … 2^4. */
const exponential = {
  bounds: [0.125, 0.25, 0.5, 1, 2, 4, 8, 16],
  counts: [1, 1, 3, 3, 7, 7, 7, 7, 9], // one at or below 2^-3, two in (2^-2, 2^-1], four in (1, 2], two above 16
  sum: 61.5,
  exponential: { scale: 0, first: -3 },
};

const FAMILIES: MetricFamily[] = [
  family(
    'networkobservability_forward_bytes',
    ['direction'],
    [
      [['ingress'], 9_007_199_254_740_991],
      [['egress'], 12.5],
    ],
    {
      kind: 'counter',
      unit: 'bytes',
    },
  ),
  family(
    'networkobservability_hard',
    ['text'],
    [
      [['größe "\\\n\u{1f600}'], -1],
      [['\ud800'], NaN],
    ],
  ),
  family('networkobservability_wait', [], [[[], 0]], {
    kind: 'histogram',
    unit: 'milliseconds',
    histogram: () => ({ bounds: [1, 10], counts: [2, 5, 6], sum: 40 }),
  }),
  family('networkobservability_dns_latency_seconds', [], [[[], 0]], {
    kind: 'histogram',
    unit: 'seconds',
    histogram: () => exponential,
  }),
];

describe.skipIf(unavailable)(
  `the OpenTelemetry Collector takes it${unavailable ? ` (none: ${unavailable})` : ''}`,
  () => {
    let certificates: Certificates;
    let plain: Collector;
    let secure: Collector;
    beforeAll(async () => {
      certificates = new Certificates();
      const { folder, server, ca } = certificates;
      plain = await Collector.start({ folder });
      secure = await Collector.start({ folder, tls: { ...server, clientCa: ca } });
    }, 600_000);
    afterAll(async () => {
      await plain[Symbol.asyncDispose]();
      await secure[Symbol.asyncDispose]();
      certificates[Symbol.dispose]();
    });

    async function push(options: z.input<typeof config>, receiver: Collector) {
      receiver.received.length = 0;
      await using opened = context({ ...options, flows: { enabled: true, ...options.flows } }, () => FAMILIES);
      const sink = await openSink(opened.ctx);
      const metrics = await sink.metrics!(opened.ctx.metrics, never);
      const flows = await sink.flows!(flowBatch(2500), never);
      // The collector writes its lines after it has answered: until there are some, and no more come.
      for (let [seen, turn] = [-1, 0]; (seen <= 0 || seen !== receiver.received.length) && turn < 30; turn++) {
        seen = receiver.received.length;
        await sleep(200);
      }
      return { metrics, flows };
    }

    const protocols = ['grpc', 'http/protobuf', 'http/json'] as const;
    const endpoint = (receiver: Collector, protocol: string, scheme = 'http') =>
      `${scheme}://127.0.0.1:${protocol === 'grpc' ? receiver.grpc : receiver.http}`;

    it.each(protocols.flatMap((p) => (['gzip', 'none'] as const).map((c) => [p, c] as const)))(
      'by %s with compression %s: every value, attribute and bucket',
      async (protocol, compression) => {
        const told = await push({ endpoint: endpoint(plain, protocol), protocol, compression }, plain);
        const json = protocol === 'http/json';
        expect(told).toEqual({
          metrics: json ? { refused: 1, cause: 'JSON has no NaN and no infinity' } : undefined,
          flows: undefined,
        });
        const points = plain.points();
        expect(points).toHaveLength(json ? 5 : 6);
        const of = (name: string) => points.filter(({ metric }) => metric['name'] === `networkobservability_${name}`);
        const [ingress, egress] = of('forward_bytes');
        expect(ingress!.metric).toMatchObject({ unit: 'By', sum: { aggregationTemporality: 2, isMonotonic: true } });
        expect(ingress!.point).toMatchObject({
          asDouble: 9_007_199_254_740_991,
          startTimeUnixNano: '1700000000000000000',
          attributes: [{ key: 'direction', value: { stringValue: 'ingress' } }],
        });
        expect(egress!.point['asDouble']).toBe(12.5);
        expect(ingress!.resource).toMatchObject({
        'service.name': 'retina-agent', 'service.version': '1.2.3', 'k8s.node.name': 'node-7', 'k8s.cluster.name': 'test',
      }); // prettier-ignore
        expect(of('hard').map(({ point }) => point['attributes'][0].value.stringValue)).toEqual(
          json ? ['größe "\\\n\u{1f600}'] : ['größe "\\\n\u{1f600}', '\ufffd'],
        );
        expect(of('wait')[0]!.point).toMatchObject({
          count: '6',
          sum: 40,
          bucketCounts: ['2', '3', '1'],
          explicitBounds: [1, 10],
        });
        const { point } = of('dns_latency_seconds')[0]!;
        // Bucket k is (2^k, 2^(k+1)]: the first is k = -4, at or below 2^-3.
        expect(point).toMatchObject({
        count: '9', sum: 61.5, positive: { offset: -4, bucketCounts: ['1', '0', '2', '0', '4', '0', '0', '0', '2'] },
      }); // prettier-ignore
        const logs = plain.logs();
        expect(logs).toHaveLength(2500);
        expect(logs.filter(({ record }) => record['severityText'] === 'WARN')).toHaveLength(250);
        expect(logs.reduce((sum, { attributes }) => sum + (attributes['retina.flow.bytes'] as number), 0)).toBe(
          2500 * 100 + (2500 * 2499) / 2,
        );
        const tenth = logs.find(({ attributes }) => attributes['retina.flow.bytes'] === 109)!; // requests overtake each other
        expect(tenth.record).toMatchObject({ eventName: 'retina.flow', timeUnixNano: '1700000001009000000' });
        expect(tenth.attributes).toMatchObject({
        'source.address': '10.0.0.2', 'source.port': 40_009, 'destination.address': '10.0.1.9', 'destination.port': 5432,
        'network.transport': 'tcp', 'network.type': 'ipv4', 'network.io.direction': 'transmit', 'retina.verdict': 'dropped',
        'retina.drop.reason': 'label 4', 'k8s.src.namespace': 'shop', 'k8s.src.name': 'web-2', 'k8s.src.owner.name': 'web',
        'k8s.src.owner.type': 'Deployment', 'k8s.dst.owner.name': 'db', 'dst.zone': 'b', 'retina.flow.packets': 2,
      }); // prettier-ignore
      },
    );

    it.each(protocols)('by %s over mTLS, under another name', async (protocol) => {
      const { ca, client } = certificates;
      const tls = { ca, ...client, serverName: 'other.example' };
      await push({ endpoint: endpoint(secure, protocol, 'https'), protocol, tls }, secure);
      expect(secure.points()).toHaveLength(protocol === 'http/json' ? 5 : 6);
    });

    it.each(protocols)('by %s not without what mTLS needs, and says why', async (protocol) => {
      const { ca, otherCa, client } = certificates;
      const at = { endpoint: endpoint(secure, protocol, 'https'), protocol, timeoutMs: 3000 } as const;
      const failure = (tls: object) => push({ ...at, tls }, secure).catch((error: unknown) => error);
      const retry = (next: RegExp) => ({ code: 'RETINA_EXPORT_RETRY', next: expect.stringMatching(next) });
      expect(await failure({ ca })).toMatchObject(retry(/client certificate|network/));
      expect(await failure({ ca: otherCa, ...client })).toMatchObject(retry(/tls\.ca/));
      expect(await failure({ ca, ...client, serverName: 'wrong.example' })).toMatchObject(retry(/tls\.serverName/));
      expect(secure.received).toEqual([]);
    });

    it('by semantic names, as deltas, explicit buckets, flows of workloads added up', async () => {
      const options = { naming: 'semantic', temporality: 'delta', exponentialHistograms: false } as const;
      await push({ endpoint: endpoint(plain, 'grpc'), metrics: options, flows: { aggregate: 'workload' } }, plain);
      const [first] = plain.points();
      expect(first!.metric).toMatchObject({
        name: 'system.network.io',
        sum: { aggregationTemporality: 1, isMonotonic: true },
      });
      expect(first!.point['attributes']).toEqual([{ key: 'network.io.direction', value: { stringValue: 'receive' } }]);
      const latency = plain.points().find(({ metric }) => metric['name'] === 'retina.dns_latency')!;
      expect(latency.metric['histogram'].aggregationTemporality).toBe(1);
      expect(latency.point['bucketCounts']).toEqual(['1', '0', '2', '0', '4', '0', '0', '0', '2']);
      const logs = plain.logs();
      expect(logs.map(({ attributes }) => [attributes['retina.verdict'], attributes['retina.flow.records']])).toEqual([
        ['forwarded', 2250],
        ['dropped', 250],
      ]);
      expect(logs[0]!.attributes).toMatchObject({
        'k8s.src.owner.name': 'web',
        'k8s.dst.owner.name': 'db',
        'server.port': 5432,
      });
      expect(logs[0]!.attributes).not.toHaveProperty('source.address');
    });
  },
);
