import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MetricFamily, PartialDelivery } from '@retina/sdk';
import type { z } from 'zod';
import { family } from '@retina/testkit';
import { attributes, type Received } from '../test/collector.ts';
import { context, flowBatch, never } from '../test/context.ts';
import { field, GrpcReceiver, HttpReceiver, retryInfo, status } from '../test/receiver.ts';
import { LossTrace } from './loss.ts';
import type { config } from './options.ts';
import { retryDelay } from './retry-info.ts';
import { openSink } from './sink.ts';

const counters = (n: number, value = (i: number) => i + 1): MetricFamily =>
  family(
    'c',
    ['i'],
    Array.from({ length: n }, (_, i) => [[String(i)], value(i)] as const),
    { kind: 'counter' },
  );

async function pushed(options: z.input<typeof config>, families: MetricFamily[], signal = never): Promise<unknown> {
  await using opened = context(options, () => families);
  const sink = await openSink(opened.ctx);
  return await sink.metrics!(opened.ctx.metrics, signal).catch((error: unknown) => error);
}

const json = { protocol: 'http/json', metrics: { pointsPerRequest: 10 } } as const;

describe('answers by HTTP', () => {
  const ok = (response: import('node:http').ServerResponse, body = '{}') =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);

  it('delivers every point once, in requests of the size asked for, to the path and with the headers configured', async () => {
    await using receiver = await HttpReceiver.start((_, response) => ok(response));
    const options = { ...json, endpoint: `${receiver.url}/otlp/`, headers: { 'X-Scope-OrgID': 'team' } };
    expect(await pushed(options, [counters(25)])).toBeUndefined();
    expect(
      receiver.requests.map(({ path, headers }) => [path, headers['x-scope-orgid'], headers['content-encoding']]),
    ).toEqual(Array.from({ length: 3 }, () => ['/otlp/v1/metrics', 'team', 'gzip']));
    expect(receiver.sums()).toEqual(new Map(Array.from({ length: 25 }, (_, i) => [`c ${i}`, i + 1])));
  });

  it.each([
    ['429 with seconds', 429, '7', { code: 'RETINA_EXPORT_RETRY', retryAfterMs: 7000 }],
    ['503', 503, undefined, { code: 'RETINA_EXPORT_RETRY', retryAfterMs: undefined }],
    ['401', 401, undefined, { code: 'RETINA_EXPORT_REFUSED', next: 'check the credentials and what they may do' }],
    ['404', 404, undefined, { code: 'RETINA_EXPORT_REFUSED', next: 'check the address' }],
  ])('%s', async (_, code, after, error) => {
    await using receiver = await HttpReceiver.start((_request, response) => {
      response
        .writeHead(code, { ...(after && { 'retry-after': after }), 'content-type': 'text/plain' })
        .end('words\nof it');
    });
    const failed = await pushed({ ...json, endpoint: receiver.url }, [counters(25)]);
    expect(failed).toMatchObject({ ...error, found: expect.stringContaining('words of it') });
    expect(receiver.requests.length).toBeLessThanOrEqual(2); // it does not hammer, nor try the rest
  });

  it('one request refused for its content costs its points, which are counted, and no others', async () => {
    await using receiver = await HttpReceiver.start((_, response, n) =>
      n === 2 ? void response.writeHead(400).end('bad point') : ok(response),
    );
    const result = await pushed({ ...json, endpoint: receiver.url }, [counters(25)]);
    expect(result).toEqual({ refused: 10, cause: 'status 400: bad point' });
    expect(receiver.sums((n) => n !== 2).size).toBe(15);
  });

  it('partial success: what was rejected is counted, whatever the receiver claims', async () => {
    const partial = (rejected: unknown) =>
      JSON.stringify({ partialSuccess: { rejectedDataPoints: rejected, errorMessage: 'too old' } });
    const answers = [
      partial('3'),
      partial(4),
      partial('99999999999999999999'),
      partial(-1),
      'no json',
      '{"partialSuccess":7}',
    ];
    await using receiver = await HttpReceiver.start((_, response, n) => ok(response, answers[n - 1] ?? partial(500)));
    const result = await pushed({ ...json, endpoint: receiver.url }, [counters(70)]);
    expect(result).toEqual({ refused: 3 + 4 + 10, cause: 'too old' });
  });

  it('an endless answer, none at all, a broken one, a port or name where nobody is: said, and soon', async () => {
    await using endless = await HttpReceiver.start((_, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'.repeat(20_000)), 1);
      response.on('close', () => clearInterval(timer));
    });
    await using silent = await HttpReceiver.start(() => {});
    await using broken = await HttpReceiver.start((_, response) => void response.socket?.destroy());
    const at = (endpoint: string) => pushed({ ...json, endpoint, timeoutMs: 500 }, [counters(1)]);
    const retry = (found: RegExp) => ({ code: 'RETINA_EXPORT_RETRY', found: expect.stringMatching(found) });
    expect(await at(endless.url)).toMatchObject(retry(/more than 65536 bytes/));
    expect(await at(silent.url)).toMatchObject(retry(/no answer in 500 ms/));
    expect(await at(broken.url)).toMatchObject(retry(/ECONNRESET/));
    expect(await at('http://127.0.0.1:1')).toMatchObject({
      ...retry(/ECONNREFUSED/),
      next: expect.stringContaining('listens'),
    });
    expect(await at('http://nobody.invalid')).toMatchObject({
      ...retry(/ENOTFOUND|EAI_AGAIN/),
      next: expect.stringContaining('DNS'),
    });
    const cut = AbortSignal.timeout(50);
    expect(await pushed({ ...json, endpoint: silent.url }, [counters(1)], cut)).toMatchObject({ name: 'AbortError' });
  });

  it('headers from files: read again when they change; a file that is gone leaves what was', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'retina-otlp-'));
    const token = join(folder, 'token');
    writeFileSync(token, 'Bearer one\n');
    await using receiver = await HttpReceiver.start((_, response) => ok(response));
    await using opened = context({ ...json, endpoint: receiver.url, headerFiles: { authorization: token } }, () => [
      counters(1),
    ]);
    const sink = await openSink(opened.ctx);
    await sink.metrics!(opened.ctx.metrics, never);
    writeFileSync(token, 'Bearer twice\n');
    await sink.metrics!(opened.ctx.metrics, never);
    rmSync(folder, { recursive: true });
    await sink.metrics!(opened.ctx.metrics, never);
    expect(receiver.requests.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer one',
      'Bearer twice',
      'Bearer twice',
    ]);
    await using gone = context({ ...json, headerFiles: { authorization: token } });
    await expect(openSink(gone.ctx)).rejects.toMatchObject({ code: 'RETINA_SOURCE_UNREACHABLE' });
  });

  it('flows: what could not be sent is asked for again, what was refused is counted', async () => {
    await using receiver = await HttpReceiver.start((_, response, n) => {
      if (n === 3) return void response.writeHead(429, { 'retry-after': '1' }).end();
      ok(response, n === 1 ? '{"partialSuccess":{"rejectedLogRecords":"5","errorMessage":"no"}}' : '{}');
    });
    const options = { ...json, endpoint: receiver.url, flows: { enabled: true, exclude: [{ verdict: 'dropped' }] } };
    await using opened = context(options);
    const sink = await openSink(opened.ctx);
    const result = (await sink.flows!(flowBatch(2500), never)) as PartialDelivery;
    const arrived = receiver.requests.filter((_, i) => i !== 2).flatMap(({ body }) => portsOf(body));
    const left = (result.retry ?? []).map((row) => 40_000 + (row % 1000));
    const wanted = Array.from({ length: 2500 }, (_, i) => i).filter((i) => i % 10 !== 9);
    expect(result).toMatchObject({ refused: 5, retryAfterMs: 1000, cause: 'status 429' });
    expect([...arrived, ...left].sort()).toEqual(wanted.map((row) => 40_000 + (row % 1000)).sort());
    expect(left.length).toBeGreaterThanOrEqual(200);
  });

  it('flows: nothing is sent any more once it failed, and all of it is asked for again if none arrived', async () => {
    await using receiver = await HttpReceiver.start((_, response) => void response.writeHead(503).end());
    await using opened = context({ ...json, endpoint: receiver.url, flows: { enabled: true } });
    const sink = await openSink(opened.ctx);
    await expect(sink.flows!(flowBatch(5000), never)).rejects.toMatchObject({ code: 'RETINA_EXPORT_RETRY' });
    expect(receiver.requests.length).toBe(1);
  });

  it('flows: an aborted push leaves nothing behind that the next one trips over', async () => {
    let answering = false;
    await using receiver = await HttpReceiver.start((_, response, n) => void ((answering || n === 1) && ok(response)));
    const http = { protocol: 'http/protobuf', compression: 'none', endpoint: receiver.url, timeoutMs: 60_000 } as const;
    await using opened = context({ ...http, flows: { enabled: true } });
    const sink = await openSink(opened.ctx);
    const cut = new AbortController();
    const pushing = Promise.resolve(sink.flows!(flowBatch(8000), cut.signal)).catch((error: unknown) => error);
    await expect.poll(() => receiver.requests.length, { timeout: 30_000 }).toBe(5); // one arrived, four are on their way
    cut.abort();
    expect(await pushing).toMatchObject({ name: 'AbortError' });
    answering = true;
    const before = receiver.requests.length;
    expect(await sink.flows!(flowBatch(3000), never)).toBeUndefined();
    const bytes = receiver.requests.slice(before).reduce((sum, { body }) => sum + body.toString('latin1').split('retina.flow.packets').length - 1, 0); // prettier-ignore
    expect(bytes).toBe(3000);
  });
});

/** Source ports of the records of a JSON request. */
function portsOf(body: Buffer): number[] {
  const { resourceLogs } = JSON.parse(body.toString()) as {
    resourceLogs: { scopeLogs: { logRecords: Received[] }[] }[];
  };
  const records = resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords));
  return records.map((record) => attributes(record['attributes'])['source.port'] as number);
}

describe('the trace of loss', () => {
  it('says once in the log how many records are missing from it, and again if that did not arrive', async () => {
    let lost = 0;
    const families = () => [
      family(
        'retina_export_lost_records_total',
        ['exporter', 'cause'],
        [
          [['otlp', 'queue_full'], lost],
          [['otlp/other', 'queue_full'], 1_000_000],
        ],
      ),
    ];
    await using opened = context({ ...json, flows: { enabled: true } }, families);
    lost = 7;
    const push = new LossTrace(opened.ctx.metrics, 'otlp');
    expect(push.read()).toBeUndefined(); // what was lost before it began is another's
    lost = 12;
    const now = performance.now() + 10_000;
    expect(push.read(now)).toMatchObject({ total: 5, causes: { queue_full: 5 } });
    expect(push.read(now + 1)).toBeUndefined(); // a moment ago
    const again = push.read(now + 10_000)!;
    expect(again.total).toBe(5); // nobody was told
    again.told();
    expect(push.read(now + 20_000)).toBeUndefined();
  });

  it.each(['http/json', 'http/protobuf'] as const)('arrives by %s: once, before the records that came through', async (protocol) => {
    let lost = 3;
    const families = () => [
      family('retina_export_lost_records_total', ['exporter', 'cause'], [[['otlp', 'queue_full'], lost], [['otlp', 'gave_up'], lost * 2]]),
    ];
    await using receiver = await HttpReceiver.start((_, response, n) => void response.writeHead(n === 1 ? 503 : 200).end());
    await using opened = context({ endpoint: receiver.url, protocol, compression: 'none', flows: { enabled: true } }, families);
    const sink = await openSink(opened.ctx);
    lost = 10;
    await expect(sink.flows!(flowBatch(1), never)).rejects.toMatchObject({ code: 'RETINA_EXPORT_RETRY' });
    await sink.flows!(flowBatch(1), never);
    await sink.flows!(flowBatch(1), never);
    const found = receiver.requests.map(({ body }) => body.toString('latin1').includes('21 flow records were lost before this one'));
    expect(found).toEqual([true, true, false]); // the first did not arrive
    if (protocol !== 'http/json') return;
    const records = (JSON.parse(receiver.requests[1]!.body.toString()) as Received)['resourceLogs'][0].scopeLogs[0].logRecords as Received[];
    expect(records.map((record) => record['eventName'])).toEqual(['retina.flow.lost', 'retina.flow']);
    expect(attributes(records[0]!['attributes'])).toEqual({ 'retina.lost.records': 21, 'retina.lost.queue_full': 7, 'retina.lost.gave_up': 14 });
  }); // prettier-ignore
});

describe('deltas', () => {
  it('add up to what was counted, whatever is refused or fails on the way', async () => {
    const plan = ['ok', 'retry', 'ok', 'ok', 'ok', 'refuse', 'ok', 'retry'];
    const arrived = (n: number) => (plan[n - 1] ?? 'ok') === 'ok';
    await using receiver = await HttpReceiver.start(
      (_, response, n) => void response.writeHead(arrived(n) ? 200 : plan[n - 1] === 'retry' ? 503 : 400).end('{}'),
    );
    const totals = [5, 0, 1000];
    const created = [1, 2, 3];
    const families = () => [
      family(
        'c',
        ['i'],
        totals.map((value, i) => [[String(i)], value] as const),
        { kind: 'counter', created: (i) => created[i]! },
      ),
    ];
    await using opened = context({ protocol: 'http/json', endpoint: receiver.url, metrics: { pointsPerRequest: 2, temporality: 'delta' } }, families); // prettier-ignore
    const sink = await openSink(opened.ctx);
    const push = () => sink.metrics!(opened.ctx.metrics, never).catch(() => undefined);
    await push(); // 1: series 0 and 1; 2: fails, so series 2 waits
    totals[0] = 9;
    await push(); // 3: series 0 by 4 and series 2 by 1000
    await push(); // nothing new: nothing sent
    expect(receiver.requests).toHaveLength(3);
    totals[2] = 1500;
    await push(); // 4
    totals[0] = 3; // it began again
    await push(); // 5
    totals[1] = 70;
    await push(); // 6: refused for good, and not sent again
    created[1] = 9; // another series in the same row
    await push(); // 7: from zero
    expect(receiver.sums(arrived)).toEqual(new Map([['c 0', 12], ['c 1', 70], ['c 2', 1500]])); // prettier-ignore
    expect(receiver.requests).toHaveLength(7);
  });
});

describe('answers by gRPC', () => {
  const empty = Buffer.alloc(0);

  it('partial success, and what makes no sense', async () => {
    const answers = [
      field(1, Buffer.concat([Buffer.from([0x08, 4]), field(2, 'too old')])),
      Buffer.from([0xff, 0xff, 0x01]),
      empty,
    ];
    await using receiver = await GrpcReceiver.start((n) => answers[n - 1]!);
    const options = { endpoint: receiver.url, headers: { 'X-Key': 'k' }, metrics: { pointsPerRequest: 10 } };
    expect(await pushed(options, [counters(30)])).toEqual({ refused: 4, cause: 'too old' });
    expect(receiver.calls.map(({ metadata }) => metadata['x-key'])).toEqual(['k', 'k', 'k']);
  });

  it.each([
    ['UNAVAILABLE', status.UNAVAILABLE, undefined, { code: 'RETINA_EXPORT_RETRY', retryAfterMs: undefined }],
    [
      'RESOURCE_EXHAUSTED with RetryInfo',
      status.RESOURCE_EXHAUSTED,
      retryInfo(3),
      { code: 'RETINA_EXPORT_RETRY', retryAfterMs: 3000 },
    ],
    ['RESOURCE_EXHAUSTED without', status.RESOURCE_EXHAUSTED, undefined, { code: 'RETINA_EXPORT_REFUSED' }],
    [
      'UNAUTHENTICATED',
      status.UNAUTHENTICATED,
      undefined,
      { code: 'RETINA_EXPORT_REFUSED', next: expect.stringContaining('headers') },
    ],
    [
      'UNIMPLEMENTED',
      status.UNIMPLEMENTED,
      undefined,
      { code: 'RETINA_EXPORT_REFUSED', next: expect.stringContaining('gRPC port') },
    ],
  ])('%s', async (_, code, details, error) => {
    await using receiver = await GrpcReceiver.start(() => ({ code, message: 'words', ...(details && { details }) }));
    expect(await pushed({ endpoint: receiver.url }, [counters(1)])).toMatchObject({
      ...error,
      found: expect.stringContaining('words'),
    });
  });

  it('silence, an abort, an answer that is too long, nobody there', async () => {
    await using receiver = await GrpcReceiver.start((n) => (n === 3 ? Buffer.alloc(100_000) : 'silence'));
    const options = { endpoint: receiver.url, timeoutMs: 300 };
    const one = [counters(1)];
    expect(await pushed(options, one)).toMatchObject({
      code: 'RETINA_EXPORT_RETRY',
      found: expect.stringContaining('DEADLINE'),
    });
    expect(await pushed({ ...options, timeoutMs: 9000 }, one, AbortSignal.timeout(50))).toMatchObject({
      name: 'TimeoutError',
    });
    await expect.poll(() => receiver.calls[1]!.cancelled()).toBe(true);
    expect(await pushed(options, one)).toMatchObject({
      code: 'RETINA_EXPORT_REFUSED',
      found: expect.stringContaining('larger than max'),
    });
    expect(await pushed({ endpoint: 'http://127.0.0.1:1' }, one)).toMatchObject({
      code: 'RETINA_EXPORT_RETRY',
      found: expect.stringContaining('ECONNREFUSED'),
    });
    expect(await pushed({ endpoint: 'http://nobody.invalid:4317' }, one)).toMatchObject({
      next: expect.stringContaining('DNS'),
    });
  });

  it('RetryInfo is read from any bytes', () => {
    expect(retryDelay(retryInfo(3))).toBe(3000);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(100), (noise, at) => {
        const bytes = retryInfo(3);
        bytes.set(noise.subarray(0, Math.max(0, bytes.length - at)), Math.min(at, bytes.length));
        const delay = retryDelay(bytes);
        expect(delay === undefined || (delay >= 0 && delay <= 3_600_000)).toBe(true);
      }),
    );
  });
});
