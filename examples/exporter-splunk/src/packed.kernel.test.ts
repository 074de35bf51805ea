import { fileURLToPath } from 'node:url';
import { installedManifest, installPacked, type InstalledPackages } from '@retina/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CollectorServer } from './testing.ts';

const NAME = '@example/retina-exporter-splunk';
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** Needs what is built; runs where the other tests that need it run. */
describe.runIf(process.getuid?.() === 0 || process.env['CI'] === 'true')('packed and installed elsewhere', () => {
  let installed: InstalledPackages;
  beforeAll(async () => {
    installed = await installPacked(path('..'), path('../../../packages/sdk'));
  }, 240_000);
  afterAll(() => installed[Symbol.dispose]());

  it('brings what it needs, and nothing of this repository but the SDK', () => {
    expect(installed.files.get(NAME)).toEqual(expect.arrayContaining(['dist/index.js', 'dist/retina.json', 'README.md']));
    const { dependencies, peerDependencies, exports } = installedManifest(installed, NAME);
    expect([dependencies, peerDependencies]).toEqual([{ zod: expect.stringMatching(/^\d/) as string }, { '@retina/sdk': expect.stringMatching(/^\^\d/) as string }]);
    expect(JSON.stringify(exports)).not.toContain('source');
  }); // prettier-ignore

  it('delivers', async () => {
    await using server = await CollectorServer.start();
    const said = await installed.node(`
      import { FlowWriter } from '@retina/sdk';
      import { writeFileSync } from 'node:fs';
      import exporter from '${NAME}';
      writeFileSync('secret', 'secret');
      const owned = [];
      const sink = exporter.setup({
        config: exporter.config.parse({ url: '${server.url}', tokenFile: 'secret' }),
        host: { nodeName: 'node-1', version: '1.0.0' },
        flows: { json: (batch, row) => ({ time: '2026-01-31T12:00:00.000Z', packets: batch.packets(row) }) },
        use: (resource) => (owned.push(resource), resource),
      });
      const writer = new FlowWriter(3);
      for (const packets of [1, 2, 3]) writer.add({ packets, end: 1e12 });
      console.log(JSON.stringify((await sink.flows(writer.batch(), AbortSignal.timeout(5000))) ?? 'all'));
      for (const resource of owned) resource[Symbol.dispose]();
    `);
    expect(said.trim()).toBe('"all"');
    expect(server.events.map(({ event }) => event['packets'])).toEqual([1, 2, 3]);
  });
});
