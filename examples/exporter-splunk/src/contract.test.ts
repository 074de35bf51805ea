import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { exporterContract } from '@retina/testkit';
import { afterAll, expect, vi } from 'vitest';
import exporter from './index.ts';
import { CollectorServer } from './testing.ts';

const server = await CollectorServer.start();
const folder = mkdtempSync(join(tmpdir(), 'retina-splunk-'));
const tokenFile = join(folder, 'token');
writeFileSync(tokenFile, 'secret\n');
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

exporterContract(exporter, {
  options: { url: server.url, tokenFile },
  refused: [{ url: server.url }, { tokenFile }, { url: 'host:8088', tokenFile }, { url: server.url, tokenFile, token: 'secret' }],
  async check(host) {
    await vi.waitFor(() => expect(server.events.length).toBeGreaterThanOrEqual(64), 10_000);
    expect(server.events[0]).toMatchObject({ sourcetype: 'retina:flow', host: host.config.nodeName, event: { IP: { source: '10.0.0.1' } } });
    expect(Math.abs(server.events[0]!.time - Date.now() / 1000)).toBeLessThan(60);
  },
}); // prettier-ignore
