import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { MetricFamily, PartialDelivery } from '@retina/sdk';
import type { z } from 'zod';
import { accepted, Azure, CLIENT, json, KEY, RULE, TENANT } from '../test/azure.ts';
import { Certificates } from '@retina/testkit';
import { context, family, flowBatch, never } from '../test/context.ts';
import type { config } from './options.ts';
import { openSink } from './sink.ts';

const certificates = new Certificates();
afterAll(() => certificates[Symbol.dispose]());
const ca = certificates.ca;
const tokenFile = certificates.path('federated-token');
writeFileSync(tokenFile, 'assertion-1');

let azure: Azure;
beforeEach(async () => void (azure = await Azure.start(certificates)));
afterEach(() => azure[Symbol.asyncDispose]());

type Options = z.input<typeof config>;
const workload = () =>
  ({ type: 'workloadIdentity', tokenFile, tenantId: TENANT, clientId: CLIENT, authorityHost: azure.url, disableInstanceDiscovery: true }) as const; // prettier-ignore
const metricOptions = (more: object = {}): Options => ({
  ca,
  timeoutMs: 10_000,
  metrics: { enabled: true, connectionString: azure.connectionString, itemsPerRequest: 2 },
  ...more,
});
const flowOptions = (): Options => ({
  ca,
  timeoutMs: 10_000,
  credential: workload(),
  flows: { enabled: true, endpoint: azure.url, ruleId: RULE },
});

describe('metrics', () => {
  const totals = [5, 0, 1000];
  let histogram = { bounds: [1], counts: [2, 3], sum: 4.5 };
  const families = (): MetricFamily[] => [
    family('c', ['i'], totals.map((value, i) => [[String(i)], value] as const)),
    family('g', [], [[[], -1.5], [[], NaN]], { kind: 'gauge' }),
    family('h', [], [[[], 0]], { kind: 'histogram', histogram: () => histogram }),
  ]; // prettier-ignore
  beforeEach(() => {
    totals.splice(0, 3, 5, 0, 1000);
    histogram = { bounds: [1], counts: [2, 3], sum: 4.5 };
  });
  const sent = (accept: (n: number, i: number) => boolean = () => true) => {
    const sums = new Map<string, number>();
    for (const [n, { items }] of azure.track.entries()) {
      for (const [i, { data }] of items.entries()) {
        const { metrics, properties } = data.baseData;
        const key = `${metrics[0].name} ${properties.i ?? ''}`.trim();
        if (accept(n + 1, i)) sums.set(key, (sums.get(key) ?? 0) + metrics[0].value);
      }
    }
    return sums;
  };

  it('are items of Application Insights, counters and histograms as what was added', async () => {
    const ctx = context(metricOptions(), families);
    const sink = await openSink(ctx);
    const lost = { refused: 1, cause: 'JSON has no NaN and no infinity' };
    expect(await sink.metrics!(ctx.metrics, never)).toEqual(lost);
    expect(azure.track[0]!.headers.authorization).toBeUndefined();
    expect(azure.track[0]!.items[0]).toEqual({
      name: 'Microsoft.ApplicationInsights.Metric', time: expect.any(String), iKey: KEY,
      tags: { 'ai.cloud.role': 'retina-agent', 'ai.cloud.roleInstance': 'node-7', 'ai.application.ver': '1.2.3', 'ai.internal.sdkVersion': 'retina:1.2.3' },
      data: { baseType: 'MetricData', baseData: { ver: 2, metrics: [{ name: 'c', kind: 'Aggregation', value: 5, count: 1 }], properties: { node: 'node-7', cluster: 'test', i: '0' } } },
    }); // prettier-ignore
    expect(azure.track.at(-1)!.items.at(-1)!.data.baseData.metrics[0]).toEqual({
      name: 'h',
      kind: 'Aggregation',
      value: 4.5,
      count: 3,
    });
    totals[2] = 1001;
    histogram = { bounds: [1], counts: [2, 7], sum: 10 };
    azure.track.length = 0;
    await sink.metrics!(ctx.metrics, never);
    expect(sent()).toEqual(new Map([['c 2', 1], ['g', -1.5], ['h', 5.5]])); // prettier-ignore
  });

  it('add up to what was counted: throttled and broken requests are part of the next difference, refused items are counted', async () => {
    const late = { statusCode: 503, message: 'busy' };
    azure.onTrack = (response, { items }, n) => {
      if (n === 1) return accepted(response, items.length, [{ index: 0, ...late }]); // c 0 waits
      if (n === 2) return json(response, 429, {}, { 'retry-after': '9' }); // c 2 waits
      if (n === 3) return accepted(response, items.length, [{ index: 1, statusCode: 400, message: 'no' }]); // c 2 is lost
      accepted(response, items.length);
    };
    const ctx = context(metricOptions(), () => families().slice(0, 1));
    const sink = await openSink(ctx);
    await expect(sink.metrics!(ctx.metrics, never)).rejects.toMatchObject({
      code: 'RETINA_EXPORT_RETRY',
      retryAfterMs: 9000,
    });
    totals[0] = 8;
    expect(await sink.metrics!(ctx.metrics, never)).toEqual({ refused: 1, cause: 'no' });
    totals[2] = 1002;
    expect(await sink.metrics!(ctx.metrics, never)).toBeUndefined();
    const arrived = sent((n, i) => !(n === 1 && i === 0) && n !== 2 && !(n === 3 && i === 1));
    expect(arrived).toEqual(new Map([['c 0', 8], ['c 1', 0], ['c 2', 2]])); // prettier-ignore
  });

  it.each([
    ['an unknown key', 400, 'Invalid instrumentation key', { code: 'RETINA_EXPORT_REFUSED' }],
    ['the daily cap', 439, '', { code: 'RETINA_EXPORT_REFUSED', summary: expect.stringContaining('daily cap') }],
    [
      'no right to it',
      403,
      '',
      { code: 'RETINA_EXPORT_REFUSED', needed: expect.stringContaining('Monitoring Metrics Publisher') },
    ],
    ['a redirect', 308, '', { code: 'RETINA_EXPORT_REFUSED' }],
    ['trouble', 503, 'busy', { code: 'RETINA_EXPORT_RETRY', found: expect.stringContaining('busy') }],
  ])('%s is said', async (_, status, text, error) => {
    azure.onTrack = (response) => void response.writeHead(status, { location: 'https://elsewhere.invalid' }).end(text);
    const ctx = context(metricOptions(), families);
    const sink = await openSink(ctx);
    await expect(sink.metrics!(ctx.metrics, never)).rejects.toMatchObject(error);
    expect(azure.track).toHaveLength(1);
  });

  it('say what is wrong with the way there', async () => {
    const failed = async (options: Options, signal = never) => {
      const ctx = context(options, families);
      return (await openSink(ctx)).metrics!(ctx.metrics, signal).catch((error: unknown) => error);
    };
    const { ca: _, ...untrusting } = metricOptions();
    expect(await failed(untrusting)).toMatchObject({
      code: 'RETINA_EXPORT_RETRY',
      next: expect.stringContaining('ca'),
    });
    azure.onTrack = (response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'.repeat(200_000)), 1);
      response.on('close', () => clearInterval(timer));
    };
    expect(await failed(metricOptions())).toMatchObject({ found: expect.stringContaining('more than 1048576 bytes') });
    azure.onTrack = () => {};
    expect(await failed(metricOptions({ timeoutMs: 200 }))).toMatchObject({ found: 'no answer in time' });
    expect(await failed(metricOptions(), AbortSignal.timeout(50))).toMatchObject({ name: 'AbortError' });
    const nowhere = `InstrumentationKey=${KEY};IngestionEndpoint=https://127.0.0.1:1`;
    const metrics = { enabled: true, connectionString: nowhere };
    expect(await failed(metricOptions({ metrics }))).toMatchObject({ found: expect.stringContaining('ECONNREFUSED') });
  });
});

describe('identity', () => {
  it('workload identity: tokens are used until they are old, then asked for anew', async () => {
    const ctx = context(metricOptions({ credential: workload() }), () => [
      family('g', [], [[[], 1]], { kind: 'gauge' }),
    ]);
    const sink = await openSink(ctx);
    azure.tokenLife = 1; // expired, as good as at once
    await sink.metrics!(ctx.metrics, never);
    azure.tokenLife = 3600;
    await sink.metrics!(ctx.metrics, never);
    await sink.metrics!(ctx.metrics, never);
    expect(azure.track.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer token-1',
      'Bearer token-2',
      'Bearer token-2',
    ]);
    expect(azure.assertions).toEqual(['assertion-1', 'assertion-1']);
  });

  it('a token that is not accepted is thrown away: the next call shows a fresh one', async () => {
    azure.onLogs = (response, { headers }) =>
      void response.writeHead(headers.authorization === 'Bearer token-1' ? 401 : 204).end();
    azure.onTrack = (response, { headers, items }) =>
      headers.authorization === 'Bearer token-2'
        ? void response.writeHead(401).end()
        : accepted(response, items.length);
    const flows = context(flowOptions());
    const logs = await openSink(flows);
    await expect(logs.flows!(flowBatch(1), never)).rejects.toMatchObject({ code: 'RETINA_EXPORT_RETRY' });
    expect(azure.assertions).toHaveLength(1);
    const metrics = context(metricOptions({ credential: workload() }), () => [
      family('g', [], [[[], 1]], { kind: 'gauge' }),
    ]);
    const sink = await openSink(metrics);
    await expect(sink.metrics!(metrics.metrics, never)).rejects.toMatchObject({ code: 'RETINA_EXPORT_RETRY' });
    await sink.metrics!(metrics.metrics, never);
    await logs.flows!(flowBatch(1), never);
    expect(azure.logs.at(-1)!.headers.authorization).toBe('Bearer token-4');
  });

  it('a token that cannot be renewed yet is used to its end, and nothing goes wrong behind the back', async () => {
    const ctx = context(metricOptions({ credential: workload() }), () => [
      family('g', [], [[[], 1]], { kind: 'gauge' }),
    ]);
    const sink = await openSink(ctx);
    azure.tokenLife = 30;
    await sink.metrics!(ctx.metrics, never);
    azure.refusal = 'AADSTS90033: A transient error has occurred';
    await sink.metrics!(ctx.metrics, never);
    expect(azure.track.map(({ headers }) => headers.authorization)).toEqual(['Bearer token-1', 'Bearer token-1']);
  });

  it('no token: the words of the authority', async () => {
    azure.refusal = 'AADSTS700213: No matching federated identity record found';
    const ctx = context(flowOptions());
    const sink = await openSink(ctx);
    await expect(sink.flows!(flowBatch(1), never)).rejects.toMatchObject({
      code: 'RETINA_EXPORT_RETRY', next: expect.stringContaining('AADSTS700213'),
    }); // prettier-ignore
    azure.silent = true;
    const hasty = await openSink(context({ ...flowOptions(), timeoutMs: 500 }));
    await expect(hasty.flows!(flowBatch(1), never)).rejects.toMatchObject({ found: 'no token in 500 ms' });
    expect(azure.logs).toHaveLength(0);
  });

  it('managed identity: from the endpoint the platform announces', async () => {
    const asked: string[] = [];
    const endpoint = createServer((request, response) => {
      asked.push(new URL(request.url!, 'http://x').searchParams.get('resource')!);
      json(response, 200, {
        access_token: 'managed',
        expires_on: Math.floor(Date.now() / 1000) + 3600,
        token_type: 'Bearer',
      });
    }).listen(0, '127.0.0.1');
    await once(endpoint, 'listening');
    vi.stubEnv('IDENTITY_ENDPOINT', `http://127.0.0.1:${(endpoint.address() as { port: number }).port}/token`);
    vi.stubEnv('IDENTITY_HEADER', 'secret');
    const ctx = context({ ...flowOptions(), credential: { type: 'managedIdentity' } });
    const sink = await openSink(ctx);
    await sink.flows!(flowBatch(1), never);
    vi.unstubAllEnvs();
    endpoint.close();
    expect(azure.logs[0]!.headers.authorization).toBe('Bearer managed');
    expect(asked).toEqual(['https://monitor.azure.com']);
  });

  it('workload identity that is not set up is said at the start', async () => {
    vi.stubEnv('AZURE_FEDERATED_TOKEN_FILE', undefined);
    const options = {
      ...flowOptions(),
      credential: { type: 'workloadIdentity', tenantId: TENANT, clientId: CLIENT } as const,
    };
    await expect(openSink(context(options))).rejects.toMatchObject({ found: expect.stringContaining('tokenFile') });
    const missing = { ...options.credential, tokenFile: '/nowhere/token' };
    await expect(openSink(context({ ...options, credential: missing }))).rejects.toMatchObject({
      code: 'RETINA_SOURCE_UNREACHABLE',
    });
    vi.unstubAllEnvs();
  });
});

describe('flows', () => {
  it('are rows of the table, every record once, what is filtered not at all', async () => {
    const ctx = context({
      ...flowOptions(),
      flows: { ...flowOptions().flows, enabled: true, exclude: [{ port: '1' }] },
    });
    const sink = await openSink(ctx);
    expect(await sink.flows!(flowBatch(2500), never)).toBeUndefined();
    const rows = azure.logs.flatMap(({ items }) => items);
    const ports = rows.map((row) => row.SourcePort as number).sort((a, b) => a - b); // requests overtake each other
    expect(ports).toEqual(Array.from({ length: 2500 }, (_, i) => i + 1).filter((port) => port % 10 !== 0));
    expect(decodeURIComponent(azure.logs[0]!.path)).toContain('api-version=2023-01-01');
    expect(rows[0]).toMatchObject({
      TimeGenerated: '2026-01-02T03:04:05.000Z', Node: 'node-7', Cluster: 'test', Verdict: 'DROPPED', SourceIp: '10.0.0.1', SourcePod: 'web-1',
      SourceWorkload: 'web', SourceWorkloadKind: 'Deployment', DestinationKind: 'world', DestinationName: 'example.org', DestinationPort: 443,
      Protocol: 'TCP', Bytes: 300, RttMs: 1.5, TcpFlags: 'SYN ACK', IsReply: false,
    }); // prettier-ignore
    expect(rows[0].DropReason).toMatch(/^reason \ufffdx{1016}$/);
  });

  it('throttled: what did not arrive is asked for again, and when', async () => {
    azure.onLogs = (response, _, n) =>
      n === 2 ? json(response, 429, {}, { 'retry-after': '30' }) : void response.writeHead(204).end();
    const sink = await openSink(context(flowOptions()));
    const result = (await sink.flows!(flowBatch(2500), never)) as PartialDelivery;
    expect(result).toMatchObject({ refused: 0, retryAfterMs: 30_000 });
    const arrived = azure.logs.filter((_, i) => i !== 1).flatMap(({ items }) => items.map((row) => row.SourcePort - 1));
    expect([...arrived, ...result.retry!].sort((a, b) => a - b)).toEqual(Array.from({ length: 2500 }, (_, i) => i));
    expect(result.retry!.length).toBeGreaterThanOrEqual(300);
    azure.onLogs = (response) => json(response, 429, {}, { 'retry-after': '30' });
    await expect(sink.flows!(flowBatch(10), never)).rejects.toMatchObject({
      code: 'RETINA_EXPORT_RETRY',
      retryAfterMs: 30_000,
    });
  });

  it('refused: counted, and the rest arrives', async () => {
    azure.onLogs = (response, _, n) =>
      n === 2
        ? json(response, 413, { error: { code: 'ContentLengthLimitExceeded', message: 'too long' } })
        : void response.writeHead(204).end();
    const sink = await openSink(context(flowOptions()));
    const result = await sink.flows!(flowBatch(2500), never);
    expect(result).toMatchObject({ refused: 300, retry: [], cause: expect.stringContaining('413') });
    expect(azure.logs.flatMap(({ items }) => items)).toHaveLength(2500); // the refused ones were received, too
  });

  it('a rule that is not there is said', async () => {
    azure.onLogs = (response) => json(response, 404, { error: { code: 'NotFound', message: 'no such rule' } });
    const sink = await openSink(context(flowOptions()));
    await expect(sink.flows!(flowBatch(2500), never)).rejects.toMatchObject({
      code: 'RETINA_EXPORT_REFUSED',
      found: expect.stringContaining('no such rule'),
    });
    expect(azure.logs).toHaveLength(1);
  });
});
