import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { MetricFamily } from '@retina/sdk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fields, packed, unsnap } from '../test/decode.ts';
import { family, type FamilyRow as Row } from '@retina/testkit';
import { namesOf, PROMETHEUS, prometheus } from '../test/prometheus.ts';
import { RemoteWrite, remoteWriteConfig } from './remote-write.ts';
import { snappy } from './snappy.ts';

const histogram = () => ({ bounds: [0.5, 1], counts: [1, 3, 4], sum: 7.25 });
const FAMILIES: readonly MetricFamily[] = [
  family('forward_count', ['direction', 'empty'], [[['ingress', ''], 12]], { kind: 'counter' }),
  family('wait_seconds', [], [[[], 0]], { kind: 'histogram', unit: 'seconds', histogram }),
];
const reader = (families: readonly MetricFamily[] = FAMILIES) => ({ families: () => families });
const push = (config: object, families = FAMILIES) => {
  const sink = new RemoteWrite(remoteWriteConfig.parse(config), 'node-1');
  return sink.metrics(reader(families), AbortSignal.timeout(20_000)).finally(() => sink[Symbol.dispose]());
};

type Answer = (response: ServerResponse, samples: number, request: IncomingMessage, body: Buffer) => void;

async function receiver(answer: Answer) {
  const bodies: Buffer[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = unsnap(Buffer.concat(chunks));
      bodies.push(body);
      answer(response, fields(body).filter(([number]) => number === 5).length, request, body); // prettier-ignore
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/write?token=secret`,
    bodies,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

const WRITTEN = 'X-Prometheus-Remote-Write-Samples-Written';
const takes: Answer = (response, samples) => void response.writeHead(204, { [WRITTEN]: String(samples) }).end();

describe('remote write 2.0', () => {
  it('sends every sample with its labels in order, its type, help and unit', async () => {
    await using there = await receiver((response, samples, request, body) => {
      expect(request.headers).toMatchObject({
        'content-type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
        'x-prometheus-remote-write-version': '2.0.0',
        'x-scope-orgid': 'a',
      });
      takes(response, samples, request, body);
    });
    expect(await push({ url: there.url, headers: { 'X-Scope-OrgID': 'a' }, externalLabels: { cluster: 'c' } })).toBeUndefined(); // prettier-ignore
    const all = fields(there.bodies[0]!);
    const symbols = all.flatMap(([number, value]) => (number === 4 ? [String(value)] : []));
    expect(symbols[0]).toBe('');
    const series = all.flatMap(([number, value]) => (number === 5 ? [fields(value as Buffer)] : []));
    const described = series.map((parts) => {
      const part = (number: number) => parts.find(([at]) => at === number)![1] as Buffer;
      const labels = packed(part(1)).map((ref) => symbols[ref]);
      const meta = Object.fromEntries(fields(part(5))) as Record<number, number>;
      return [labels.join(' '), fields(part(2))[0]![1], meta[1], symbols[meta[3]!], symbols[meta[4] ?? 0]];
    });
    const rest = 'cluster c instance node-1 job retina';
    expect(described[0]).toEqual([`__name__ forward_count cluster c direction ingress instance node-1 job retina`, 12, 1, 'Help of forward_count.', '']); // prettier-ignore
    expect(described.slice(1).map(([labels, value]) => [labels, value])).toEqual([
      [`__name__ wait_seconds_bucket ${rest} le 0.5`, 1],
      [`__name__ wait_seconds_bucket ${rest} le 1`, 3],
      [`__name__ wait_seconds_bucket ${rest} le +Inf`, 4],
      [`__name__ wait_seconds_sum ${rest}`, 7.25],
      [`__name__ wait_seconds_count ${rest}`, 4],
    ]);
    expect(described[1]!.slice(2)).toEqual([3, 'Help of wait_seconds.', 'seconds']);
  });

  it('goes in several requests where there is much; what is refused of it is counted, once', async () => {
    const rows = Array.from({ length: 50_000 }, (_, i): Row => [[`pod-${i}`, 'default'], i]);
    let n = 0;
    await using there = await receiver((response, samples, request, body) => {
      if (++n === 2) response.writeHead(400).end('out of order');
      else takes(response, samples - (n === 3 ? 5 : 0), request, body);
    });
    const found = await push({ url: there.url }, [family('many', ['pod', 'namespace'], rows)]);
    const sizes = there.bodies.map((body) => fields(body).filter(([number]) => number === 5).length);
    expect(sizes.length).toBeGreaterThan(2);
    expect(sizes.reduce((sum, one) => sum + one)).toBe(50_000);
    expect(found).toMatchObject({ refused: sizes[1]! + 5, cause: expect.stringContaining('out of order') });
  });

  it('says what went wrong, in words without secrets, and whether another try may help', async () => {
    const answers: Record<string, Answer> = {
      old: (response) => void response.writeHead(204).end(),
      media: (response) => void response.writeHead(415).end('only v1'),
      busy: (response) => void response.writeHead(429, { 'retry-after': '3' }).end(),
      denied: (response) => void response.writeHead(401).end('\u001b[31mno'),
      endless: (response) => {
        response.writeHead(500);
        const more = setInterval(() => response.write('x'.repeat(1000)), 1);
        response.on('close', () => clearInterval(more));
      },
    };
    const found: Record<string, unknown> = {};
    for (const [name, answer] of Object.entries(answers)) {
      await using there = await receiver(answer);
      const error = await push({ url: there.url }).then(() => undefined, (one: unknown) => one); // prettier-ignore
      expect(error).toMatchObject({ message: expect.not.stringContaining('secret') });
      found[name] = error;
    }
    expect(found).toMatchObject({
      old: { code: 'RETINA_EXPORT_REFUSED', next: 'set protocol: v1' },
      media: { code: 'RETINA_EXPORT_REFUSED', next: 'set protocol: v1' },
      busy: { code: 'RETINA_EXPORT_RETRY', retryAfterMs: 3000 },
      denied: { code: 'RETINA_EXPORT_REFUSED', found: 'status 401: [31mno' },
      endless: { code: 'RETINA_EXPORT_RETRY' },
    });
  });

  it('reads secrets for every push', async () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'retina-token-'));
    const bearerTokenFile = path.join(folder, 'token');
    const seen: unknown[] = [];
    await using there = await receiver((response, samples, request, body) => {
      seen.push(request.headers.authorization);
      takes(response, samples, request, body);
    });
    for (const token of ['one\n', 'two']) {
      writeFileSync(bearerTokenFile, token);
      await push({ url: there.url, bearerTokenFile });
    }
    rmSync(folder, { recursive: true });
    await expect(push({ url: there.url, bearerTokenFile })).rejects.toMatchObject({ code: 'RETINA_SOURCE_UNREACHABLE', retryable: true }); // prettier-ignore
    expect(seen).toEqual(['Bearer one', 'Bearer two']);
  });
});

it.runIf(existsSync(PROMETHEUS))(
  'remote write 1.0 is what Prometheus takes',
  async () => {
    await using running = await prometheus([], ['--web.enable-remote-write-receiver']);
    const url = `${running.url}/api/v1/write`;
    for (let n = 0; n < 100; n++) {
      const done = await push({ url, protocol: 'v1' }).then(() => true, () => false); // prettier-ignore
      if (done) break;
      await new Promise((again) => setTimeout(again, 100)); // it starts
    }
    const series = await running.query('{job="retina"}');
    expect(namesOf(series)).toEqual([
      'forward_count{"direction":"ingress"}',
      'wait_seconds_bucket{"le":"+Inf"}',
      'wait_seconds_bucket{"le":"0.5"}',
      'wait_seconds_bucket{"le":"1"}',
      'wait_seconds_count{}',
      'wait_seconds_sum{}',
    ]);
    expect(series[0]!.metric['instance']).toBe('node-1');
  },
  90_000,
);

describe('snappy', () => {
  it('gives back what went in, and makes little of what repeats', () => {
    const words = fc.array(fc.constantFrom('namespace', 'podname', 'x', '\u0000', 'default'), { maxLength: 3000 });
    const same = (bytes: Buffer) => expect(unsnap(snappy(bytes)).equals(bytes)).toBe(true);
    fc.assert(fc.property(words, (all) => void same(Buffer.from(all.join('')))));
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => void same(Buffer.from(bytes))));
    const long = Buffer.from(Array.from({ length: 40_000 }, (_, i) => `pod-${i % 100} default `).join(''));
    same(long);
    expect(snappy(long).length).toBeLessThan(long.length / 5);
  });
});
