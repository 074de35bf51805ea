import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exporterContract, httpReceiver } from '@retina/testkit';
import { afterAll, expect, vi } from 'vitest';
import exporter from './index.ts';
import type { HecEvent } from './testing.ts';

const folder = mkdtempSync(join(tmpdir(), 'retina-splunk-'));
const tokenFile = join(folder, 'token');
writeFileSync(tokenFile, 'secret\n');
afterAll(() => rmSync(folder, { recursive: true }));

const url = 'http://127.0.0.1:1';
const events: HecEvent[] = [];
const linesIn = (body: Buffer) => body.toString().trimEnd().split('\n');

exporterContract(exporter, {
  module: import.meta.resolve('./index.ts'),
  options: { url, tokenFile },
  // What becomes of every record when the receiver refuses, is busy, breaks off or says nothing.
  receiver: httpReceiver({
    options: (there) => ({ url: there }),
    count: (body) => linesIn(body).length,
    accept(response, _, body) {
      for (const line of linesIn(body)) events.push(JSON.parse(line) as HecEvent);
      response.end('{"text":"Success","code":0}');
    },
  }),
  refused: [{ url }, { tokenFile }, { url: 'host:8088', tokenFile }, { url, tokenFile, token: 'secret' }],
  async check(host) {
    await vi.waitFor(() => expect(events.length).toBeGreaterThanOrEqual(64), 10_000);
    expect(events[0]).toMatchObject({ sourcetype: 'retina:flow', host: host.config.nodeName, event: { IP: { source: '10.0.0.1' } } });
    expect(Math.abs(events[0]!.time - Date.now() / 1000)).toBeLessThan(60);
  },
}); // prettier-ignore
