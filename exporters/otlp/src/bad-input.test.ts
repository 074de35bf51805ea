import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { API, defineExporter } from '@retina/sdk';
import { Certificates, runExporter, type RunningExporter } from '@retina/testkit';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { GrpcReceiver, HttpReceiver, status } from '../test/receiver.ts';
import exporter from './index.ts';

const PATIENT = { timeout: 25_000, interval: 20 };
const RECORDS = 120;
const certificates = new Certificates();
let secure: Server | undefined;
afterAll(() => {
  secure?.closeAllConnections();
  secure?.close();
  certificates[Symbol.dispose]();
});
afterEach(() => void vi.useRealTimers());

/** A receiver by TLS with a certificate nobody here trusts unasked. */
async function tlsServer(): Promise<string> {
  const { cert, key } = certificates.server;
  secure ??= createServer({ cert: readFileSync(cert), key: readFileSync(key), ALPNProtocols: ['http/1.1'] }).listen(0, '127.0.0.1');
  if (!secure.listening) await once(secure, 'listening');
  return `https://localhost:${(secure.address() as AddressInfo).port}`;
} // prettier-ignore

/** What stands beside: it must not notice. */
function bystander() {
  const got = { records: 0, pushes: 0 };
  const component = defineExporter({
    name: 'bystander', api: API, description: 'Takes everything at once.', stability: 'experimental', config: z.object({}),
    setup: () => ({
      push: { flowWaitMs: 10 },
      flows: (batch) => void (got.records += batch.length),
      metrics: async () => void (await Promise.resolve(got.pushes++)),
    }),
  }); // prettier-ignore
  return { got, component };
}

const PUSH = { batch: 60, wait: '10ms', timeout: '3s', retry: { first: '10ms', longest: '40ms', giveUpAfter: '1s' } };

type Options = Readonly<Record<string, unknown>>;

async function started(options: Options): Promise<{ run: RunningExporter; got: ReturnType<typeof bystander>['got'] }> {
  const { got, component } = bystander();
  const given = { metrics: { enabled: false }, flows: { enabled: true, windowMs: 100 }, timeoutMs: 400, push: PUSH, ...options }; // prettier-ignore
  return { run: await runExporter(exporter, given, [component]), got };
}

/** Everything about a failing one: the state says why, counts say what became of the records, nobody else noticed. */
async function named(options: Options, code: string, why: RegExp, outcome: string, lost: string): Promise<void> {
  const { run, got } = await started(options);
  await using _ = run;
  run.emit(RECORDS);
  const of = (name: string, more = {}) => run.metrics.sum(name, { exporter: 'otlp', ...more });
  await vi.waitFor(() => {
    expect(run.health).toMatchObject({ state: 'degraded', causes: [{ code, message: expect.stringMatching(why) as string }] });
    expect(of('retina_export_lost_records_total', { cause: lost })).toBe(RECORDS);
  }, PATIENT);
  expect(of('retina_export_calls_total', { signal: 'flows', outcome })).toBeGreaterThan(0);
  expect(of('retina_export_call_seconds_count', { signal: 'flows' })).toBeGreaterThan(0);
  expect(of('retina_export_delivered_records_total')).toBe(0);
  expect(of('retina_export_queue_bytes')).toBeLessThanOrEqual(of('retina_export_queue_max_bytes'));
  await vi.waitFor(() => expect(got.records).toBe(RECORDS), PATIENT);
  expect(run.stateOf('bystander')).toMatchObject({ state: 'running', causes: [] });
} // prettier-ignore

describe.each(['http/protobuf', 'grpc'] as const)('by %s, in state and counts', (protocol) => {
  const FAILED = 'RETINA_EXPORT_FAILED';
  const REFUSED = 'RETINA_EXPORT_REFUSED';
  const grpc = protocol === 'grpc';

  it('nobody listens', () => named({ protocol, endpoint: 'http://127.0.0.1:1' }, FAILED, /ECONNREFUSED/, 'retry', 'gave_up')); // prettier-ignore

  it('the name is unknown', () =>
    named({ protocol, endpoint: 'http://nobody.invalid:4317' }, FAILED, /ENOTFOUND|EAI_AGAIN|name resolution/i, 'retry', 'gave_up')); // prettier-ignore

  it('the certificate is not trusted', async () =>
    named({ protocol, endpoint: await tlsServer() }, FAILED, /certificate/i, 'retry', 'gave_up'));

  it('one side speaks TLS and the other does not', async () => {
    const endpoint = (await tlsServer()).replace('https', 'http');
    await named({ protocol, endpoint }, FAILED, /does not answer/, 'retry', 'gave_up');
  });

  it.each([
    ['refused for good', 400, status.INVALID_ARGUMENT, REFUSED, 'refused', 'refused'],
    ['a token that has expired', 401, status.UNAUTHENTICATED, REFUSED, 'refused', 'refused'],
    ['in trouble', 503, status.UNAVAILABLE, FAILED, 'retry', 'gave_up'],
    ['too busy', 429, status.ABORTED, FAILED, 'retry', 'gave_up'],
  ])('%s', async (_, http, code, said, outcome, lost) => {
    await using there = grpc
      ? await GrpcReceiver.start(() => ({ code, message: 'its words' }))
      : await HttpReceiver.start((_request, response) => void response.writeHead(http).end('its words'));
    await named({ protocol, endpoint: there.url }, said, /its words/, outcome, lost);
    const calls = 'calls' in there ? there.calls.length : there.requests.length;
    if (lost === 'refused') expect(calls).toBe(RECORDS / PUSH.batch);
    else expect(calls).toBeGreaterThan(RECORDS / PUSH.batch);
  });

  it('silence', async () => {
    await using there = grpc ? await GrpcReceiver.start(() => 'silence') : await HttpReceiver.start(() => undefined);
    await named({ protocol, endpoint: there.url }, FAILED, /no answer|DEADLINE/, 'retry', 'gave_up');
  });

  it('an answer without end', async () => {
    await using there = grpc
      ? await GrpcReceiver.start(() => Buffer.alloc(1_000_000))
      : await HttpReceiver.start((_, response) => {
          response.writeHead(200);
          const timer = setInterval(() => response.write('x'.repeat(20_000)), 1);
          response.on('close', () => clearInterval(timer));
        });
    if (grpc) await named({ protocol, endpoint: there.url }, REFUSED, /larger than max/, 'refused', 'refused');
    else await named({ protocol, endpoint: there.url }, FAILED, /more than 65536 bytes/, 'retry', 'gave_up');
  });
});

it('what was wrong passes: a renewed token, a receiver that is back; the state is clear again and nothing was lost', async () => {
  const token = certificates.path('token');
  writeFileSync(token, 'Bearer old');
  let well = false;
  await using there = await HttpReceiver.start(({ headers }, response) => {
    if (!well) return void response.writeHead(503).end();
    response.writeHead(headers.authorization === 'Bearer renewed' ? 200 : 401).end();
  });
  const push = { ...PUSH, retry: { ...PUSH.retry, giveUpAfter: '10m' } };
  const { run } = await started({ protocol: 'http/protobuf', endpoint: there.url, headerFiles: { authorization: token }, push });
  await using _ = run;
  const count = (name: string) => run.metrics.sum(`retina_export_${name}_records_total`, { exporter: 'otlp' });
  run.emit(RECORDS);
  await vi.waitFor(() => expect(run.health.causes).toMatchObject([{ code: 'RETINA_EXPORT_FAILED' }]), PATIENT);
  expect(run.metrics.one('retina_export_circuit_open', { exporter: 'otlp', signal: 'flows' })).toBe(1);
  writeFileSync(token, 'Bearer renewed');
  well = true;
  await vi.waitFor(() => expect([count('delivered'), count('lost'), run.health.state]).toEqual([RECORDS, 0, 'running']), PATIENT);
  rmSync(token);
}); // prettier-ignore

it('a clock that jumps in either direction loses and delays nothing', async () => {
  vi.useFakeTimers({ toFake: ['Date'] });
  await using there = await HttpReceiver.start((_, response) => void response.writeHead(200).end());
  const { run } = await started({ protocol: 'http/json', endpoint: there.url });
  await using _ = run;
  for (const [i, time] of ['2038-01-19T03:14:08Z', '1969-12-31T23:59:59Z', '2262-04-12T00:00:00Z'].entries()) {
    vi.setSystemTime(new Date(time));
    run.emit(10);
    await vi.waitFor(() => expect(run.metrics.sum('retina_export_delivered_records_total', { exporter: 'otlp' })).toBe(10 * (i + 1)), PATIENT); // prettier-ignore
  }
  const times = there.requests.flatMap(({ body }) => [...body.toString().matchAll(/"(?:observedT|t)imeUnixNano":"(\d+)"/g)].map(([, digits]) => BigInt(digits!))); // prettier-ignore
  expect(times).toHaveLength(60);
  expect(times.every((time) => time < 2n ** 63n)).toBe(true);
  expect(run.health.state).toBe('running');
});
