import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agents, CHART, IMAGE, install, kubectl, NAMESPACE, ROOT, TOOL, upgrade } from '../src/cluster.ts';
import { scrape, select, sum } from '../src/metrics.ts';
import { eventually, run } from '../src/run.ts';
import { connects, createWorld, removeWorld, type World } from '../src/world.ts';

const NAME = '@example/retina-plugin-minimal';
const FOLDER = join(ROOT, 'examples', 'plugin-minimal');

const THROWS = '@example/retina-plugin-throws';
const WHY = 'no licence was found';

/** A package of one file, whose plugin throws while it starts. */
function packThrows(work: string): string {
  const folder = join(work, 'throws');
  mkdirSync(folder);
  const about = { name: THROWS, version: '0.0.0', type: 'module', exports: './index.js', files: ['index.js'] };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(about));
  const source = `
    import { API, definePlugin } from '@retina/sdk';
    import { z } from 'zod';
    export default definePlugin({
      name: 'throws', api: API, description: 'Throws.', stability: 'experimental', platforms: ['linux'],
      needs: { capabilities: [] }, config: z.strictObject({}), metrics: {},
      async setup() { throw new Error('${WHY}'); },
    });`;
  writeFileSync(join(folder, 'index.js'), source);
  execFileSync('npm', ['pack', '--pack-destination', work], { cwd: folder, stdio: 'pipe' });
  return join(work, 'example-retina-plugin-throws-0.0.0.tgz');
}

/** The needs of a plugin's manifest, as `pluginNeeds` takes them. */
const { needs } = JSON.parse(readFileSync(join(FOLDER, 'dist', 'retina.json'), 'utf8')) as {
  needs: { capabilities: string[] };
};

describe.runIf(TOOL)('a plugin of somebody else, packed by npm, in an image of their own', () => {
  let world: World;
  const work = mkdtempSync(join(tmpdir(), 'retina-plugin-'));
  const tag = `${IMAGE.tag}-plugin`;

  beforeAll(async () => {
    execFileSync('pnpm', ['pack', '--pack-destination', work], { cwd: FOLDER, stdio: 'pipe' });
    const packed = join(
      work,
      readdirSync(work).find((name) => name.endsWith('.tgz'))!,
    );
    const images = join(ROOT, 'tools', 'images.mjs');
    const args = [images, '--output', work, '--only', 'retina-agent', '--tag', tag, '--with', packed, '--with', packThrows(work)]; // prettier-ignore
    await run(process.execPath, args, { timeout: 120_000 });
    await run(TOOL, ['load-image', join(work, 'retina-agent.tar')], { timeout: 120_000 });
    await install({ image: { tag }, enabledPlugin_linux: [], plugins: { [NAME]: {} }, pluginNeeds: { [NAME]: needs } });
    world = await createWorld();
  });
  afterAll(async () => {
    rmSync(work, { recursive: true, force: true });
    await removeWorld();
  });

  it('runs, alone, with the capabilities of its manifest', async () => {
    const { client } = world;
    const states = select(await scrape(client.node), 'retina_plugin_state', { state: 'running' });
    expect(states.map(({ labels, value }) => [labels['plugin'], value])).toEqual([['minimal', 1]]);
    const { name } = (await agents()).get(client.node)!;
    const granted = await kubectl('-n', NAMESPACE, 'get', 'pod', name, '-o', 'jsonpath={.spec.containers[0].securityContext.capabilities.add}'); // prettier-ignore
    expect((JSON.parse(granted) as string[]).sort()).toEqual([...needs.capabilities].sort());
  });

  it('serves its metric, exactly', async () => {
    const { client, far } = world;
    const counts = async () => new Map(select(await scrape(client.node), 'tcp_syns_total').map(({ labels, value }) => [JSON.stringify(labels), value])); // prettier-ignore
    const before = await counts();
    expect(await connects(client, far.addresses[0]!, 9001, 17)).toEqual(Array(17).fill('connected'));
    await eventually(async () => {
      const grown = [...(await counts())].map(
        ([labels, value]) => [labels, value - (before.get(labels) ?? 0)] as const,
      );
      // Seen as it left the pod; nobody else connected through that interface.
      expect(grown.filter(([labels, by]) => by === 17 && /"direction":"ingress"/.test(labels))).toHaveLength(1);
    });
  });

  const states = async (node: string) =>
    Object.fromEntries(
      select(await scrape(node), 'retina_plugin_state')
        .filter(({ value }) => value === 1)
        .map(({ labels }) => [labels['plugin'], labels['state']]),
    );

  it('one that the image does not have is failed, by its name, in status and log; the others run', async () => {
    const [absent, needs] = ['@example/retina-plugin-absent', { capabilities: [] }];
    const { client } = world;
    await install({ image: { tag }, enabledPlugin_linux: ['packetforward'], plugins: { [absent]: { required: false } }, pluginNeeds: { [absent]: needs } }); // prettier-ignore
    await eventually(async () =>
      expect(await states(client.node)).toEqual({ [absent]: 'failed', packetforward: 'running' }),
    );
    const { name } = (await agents()).get(client.node)!;
    const status = await kubectl('-n', NAMESPACE, 'exec', name, '--', 'retina', 'status');
    expect(status).toMatch(/retina-plugin-absent[^]*failed[^]*no plugin named/);
    expect(await kubectl('-n', NAMESPACE, 'logs', name)).toMatch(/"level":"error".*no plugin named @example\/retina-plugin-absent is installed.*npm install/); // prettier-ignore
    expect((await agents()).get(client.node)!.restarts).toBe(0);
  });

  describe('one that throws while it starts', () => {
    const selected = (required: boolean) => ({
      image: { tag },
      enabledPlugin_linux: ['packetforward'],
      plugins: { [NAME]: {}, [THROWS]: { required } },
      pluginNeeds: { [NAME]: needs, [THROWS]: { capabilities: [] } },
    });
    it('is failed, by its name and cause, in status and log; the others run, and agents are ready', async () => {
      const { client, far } = world;
      await install(selected(false));
      await eventually(async () =>
        expect(await states(client.node)).toEqual({ minimal: 'running', packetforward: 'running', throws: 'failed' }),
      );
      const { name } = (await agents()).get(client.node)!;
      const status = await kubectl('-n', NAMESPACE, 'exec', name, '--', 'retina', 'status');
      expect(status).toMatch(new RegExp(`throws[^]*failed[^]*${WHY}`));
      expect(await kubectl('-n', NAMESPACE, 'logs', name)).toMatch(new RegExp(`"level":"error".*throws.*${WHY}`));
      const count = async () => sum(await scrape(client.node), 'tcp_syns_total', { direction: 'ingress' });
      const before = await count();
      await connects(client, far.addresses[0]!, 9001, 5);
      await eventually(async () => expect(await count()).toBeGreaterThanOrEqual(before + 5));
    });

    it('where it is required, agents are not ready, as an event says, and go on all the same', async () => {
      const { client } = world;
      const { uid } = (await agents()).get(client.node)!;
      await upgrade(selected(true), CHART);
      await eventually(async () => {
        const agent = (await agents()).get(client.node)!;
        expect(agent.uid).not.toBe(uid);
        const about = await kubectl('-n', NAMESPACE, 'get', 'events', '--field-selector', `involvedObject.name=${agent.name}`); // prettier-ignore
        expect(about).toMatch(/Unhealthy.*Readiness probe failed.*503/);
      }, 60_000);
      expect(await states(client.node)).toEqual({ minimal: 'running', packetforward: 'running', throws: 'failed' });
      const ready = await fetch(`http://${(await agents()).get(client.node)!.addresses[0]}:10093/readyz`);
      expect([ready.status, await ready.text()]).toEqual([503, expect.stringContaining('throws')]);
      expect((await agents()).get(client.node)!.restarts).toBe(0);
    });
  });
});
