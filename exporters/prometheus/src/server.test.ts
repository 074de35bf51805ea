import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { gunzipSync } from 'node:zlib';
import type { Health, MetricFamily } from '@retina/sdk';
import { afterEach, describe, expect, it } from 'vitest';
import { acceptedFormat, acceptsGzip, CONTENT_TYPES } from './negotiate.ts';
import { MetricsServer, type MetricsServerOptions } from './server.ts';
import { family } from '@retina/testkit';

const HEALTHY: Health = {
  live: true,
  ready: true,
  components: [{ kind: 'plugin', name: 'packetparser', state: 'running', causes: [] }],
  problems: [],
};

let server: MetricsServer | undefined;
afterEach(async () => {
  await server?.[Symbol.asyncDispose]();
  server = undefined;
});

let renderings = 0;
async function serve(families: MetricFamily[], options: Partial<MetricsServerOptions> = {}): Promise<string> {
  renderings = 0;
  const metrics = { families: () => (renderings++, families) };
  server = await MetricsServer.listen({ host: '127.0.0.1', port: 0, metrics, health: () => HEALTHY, ...options });
  return server.url;
}

const UP = family('up', [], [[[], 1]]);
const UP_TEXT = '# HELP up Help of up.\n# TYPE up gauge\nup 1\n';

function many(series: number): MetricFamily {
  const rows = Array.from(
    { length: series },
    (_, i) => [[`10.0.${i >> 8}.${i & 255}`, 'default', `web-${i}`, 'Deployment', 'web'], i] as const,
  );
  return family(
    'networkobservability_adv_forward_count',
    ['ip', 'namespace', 'podname', 'workload_kind', 'workload_name'],
    rows,
  );
}

describe('MetricsServer', () => {
  it('serves metrics, compressed when asked', async () => {
    const url = await serve([UP]);
    const plain = await fetch(`${url}/metrics?x=1`, { headers: { 'accept-encoding': 'identity' } });
    expect([plain.status, plain.headers.get('content-type'), plain.headers.get('content-encoding')]).toEqual([
      200,
      CONTENT_TYPES.text,
      null,
    ]);
    expect(await plain.text()).toBe(UP_TEXT);
    const [packed, body] = await raw(url, { 'accept-encoding': 'gzip;q=1.0,deflate;q=0.5' });
    expect(packed['content-encoding']).toBe('gzip');
    expect(gunzipSync(body).toString()).toBe(UP_TEXT);
    const head = await fetch(`${url}/metrics`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  it('tells health with component states', async () => {
    let health: Health = HEALTHY;
    const url = await serve([], { health: () => health });
    const ready = await fetch(`${url}/readyz`);
    expect([ready.status, await ready.json()]).toEqual([200, { status: 'ok', ...HEALTHY }]);
    health = { ...HEALTHY, ready: false };
    expect([(await fetch(`${url}/readyz`)).status, (await fetch(`${url}/healthz`)).status]).toEqual([503, 200]);
  });

  it('answers what it does not serve', async () => {
    const url = await serve([UP]);
    const missing = await fetch(`${url}/nothing`);
    expect([missing.status, await missing.text()]).toEqual([
      404,
      'no such path; there are /metrics, /healthz, /readyz\n',
    ]);
    expect((await fetch(`${url}/constructor`)).status).toBe(404);
    const posted = await fetch(`${url}/metrics`, { method: 'POST', body: 'x' });
    expect([posted.status, posted.headers.get('allow')]).toEqual([405, 'GET, HEAD']);
  });

  it('answers 500 when metrics cannot be read, and goes on', async () => {
    let broken = true;
    const errors: unknown[] = [];
    const metrics = { families: () => (broken ? (() => { throw new Error('boom'); })() : [UP]) }; // prettier-ignore
    const url = await serve([], { metrics, onError: (error) => errors.push(error) });
    expect((await fetch(`${url}/metrics`)).status).toBe(500);
    expect(errors).toHaveLength(1);
    broken = false;
    expect(await (await fetch(`${url}/metrics`)).text()).toBe(UP_TEXT);
  });

  it('names who holds the port', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as { port: number };
    try {
      await expect(serve([], { port })).rejects.toMatchObject({
        code: 'RETINA_LISTEN_FAILED',
        found: expect.stringContaining(`(pid ${process.pid})`),
        next: expect.stringContaining('exporters.prometheus.port'),
      });
    } finally {
      other.close();
    }
    await expect(serve([], { host: '203.0.113.1' })).rejects.toMatchObject({
      code: 'RETINA_LISTEN_FAILED',
      found: 'EADDRNOTAVAIL',
    });
  });

  it('serves both families on ::', async () => {
    const { port } = new URL(await serve([UP], { host: '::' }));
    for (const host of ['127.0.0.1', '[::1]'])
      expect(await (await fetch(`http://${host}:${port}/metrics`)).text()).toBe(UP_TEXT);
  });

  it('renders once for scrapes that come together', async () => {
    const url = await serve([many(20_000)]);
    const bodies = await Promise.all(Array.from({ length: 10 }, async () => (await fetch(`${url}/metrics`)).text()));
    expect(new Set(bodies).size).toBe(1);
    expect(renderings).toBeLessThan(10);
  });

  it('lets 100 slow and vanished scrapers cost nobody anything', async () => {
    const url = await serve([many(100_000)], { maxBufferedBytes: 32 * 1024 * 1024 });
    const { port } = new URL(url);
    const slow: Socket[] = [];
    for (let i = 0; i < 100; i++) {
      const socket = connect(Number(port), '127.0.0.1');
      socket.on('error', () => undefined);
      socket.pause(); // never reads
      socket.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
      slow.push(socket);
      if (i % 10 === 0) await sleep(5); // not all of them share a rendering
    }
    await sleep(200);
    for (const socket of slow.slice(0, 50)) socket.destroy();
    const before = process.memoryUsage.rss();
    for (let i = 0; i < 5; i++) {
      const [headers, body] = await raw(url, { 'accept-encoding': 'gzip' });
      expect(headers['content-encoding']).toBe('gzip');
      expect(gunzipSync(body).toString().split('\n').length).toBe(100_003);
    }
    expect((await fetch(`${url}/healthz`)).status).toBe(200);
    expect(process.memoryUsage.rss() - before).toBeLessThan(300 * 1024 * 1024);
    for (const socket of slow) socket.destroy();
  });

  it('cuts off the slowest when they hold too much, and never a reader that reads', async () => {
    const url = await serve([many(50_000)], { maxBufferedBytes: 1024 });
    const { port } = new URL(url);
    const slow = connect(Number(port), '127.0.0.1');
    slow.on('error', () => undefined).pause();
    slow.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
    await sleep(300);
    const closed = once(slow, 'close');
    for (let n = 0; n < 2; n++)
      // the first is read after the slow one's rendering is whole, the second when it is over
      expect((await (await fetch(`${url}/metrics`)).text()).split('\n').length).toBe(50_003);
    slow.resume();
    await closed;
  });

  it('cuts off a response that takes too long', async () => {
    const url = await serve([many(50_000)], { responseTimeoutMs: 200 });
    const slow = connect(Number(new URL(url).port), '127.0.0.1');
    slow.on('error', () => undefined).pause();
    slow.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
    const closed = once(slow, 'close');
    await sleep(500);
    slow.resume();
    await closed;
    expect(slow.bytesRead).toBeLessThan(50_000 * 100);
  });

  it('does not hold the event loop', async () => {
    const url = await serve([many(100_000)]);
    await (await fetch(`${url}/metrics`)).text();
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await raw(url, { 'accept-encoding': 'gzip' });
    delay.disable();
    // The budget is 10 ms; a shared machine adds its own pauses. Rendering in one go would be far above.
    expect(delay.percentile(90) / 1e6).toBeLessThan(25);
  });

  it('ends at once when disposed of, slow readers or not', async () => {
    const url = await serve([many(50_000)]);
    const slow = connect(Number(new URL(url).port), '127.0.0.1');
    slow.on('error', () => undefined).pause();
    slow.write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
    await sleep(100);
    const began = performance.now();
    await server![Symbol.asyncDispose]();
    server = undefined;
    expect(performance.now() - began).toBeLessThan(2_000);
    slow.destroy();
  });
});

describe('acceptsGzip', () => {
  it.each([
    [undefined, false],
    ['gzip', true],
    ['deflate, GZIP;q=0.5', true],
    ['gzip;q=0', false],
    ['gzip;q=0.0, *', false],
    ['*', true],
    ['xgzip', false],
  ])('%s: %s', (header, accepted) => expect(acceptsGzip(header)).toBe(accepted));
});

describe('acceptedFormat', () => {
  const open = 'application/openmetrics-text';
  it.each([
    [undefined, 'text'],
    ['*/*', 'text'],
    [`${open};version=1.0.0;q=0.5,${open};version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2`, 'openmetrics'],
    [`${open};version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;q=0.4`, 'openmetrics'],
    [`${open}; version=1.0.0; charset=utf-8`, 'openmetrics'],
    [`text/plain, ${open};q=0.9`, 'text'],
    [`${open};version=2.0.0`, 'text'],
    [`${open};q=0, text/plain;q=0`, 'text'],
    [`${open};q=lots`, 'text'],
    [
      'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,*/*;q=0.2',
      'protobuf',
    ],
    [`application/vnd.google.protobuf;proto=other;encoding=delimited,${open};q=0.1`, 'openmetrics'],
  ])('%s: %s', (header, format) => expect(acceptedFormat(header)).toBe(format));
});

/** The response as it came over the wire. */
async function raw(url: string, headers: Record<string, string>): Promise<[Record<string, unknown>, Buffer]> {
  const request = httpRequest(`${url}/metrics`, { headers }).end();
  const [response] = (await once(request, 'response')) as [import('node:http').IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return [response.headers, Buffer.concat(chunks)];
}
