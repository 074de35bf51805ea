import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agents, IMAGE, install, kubectl, NAMESPACE, ROOT, TOOL } from '../src/cluster.ts';
import { scrape, select } from '../src/metrics.ts';
import { eventually, run } from '../src/run.ts';
import { connects, createWorld, removeWorld, type World } from '../src/world.ts';

const NAME = '@example/retina-plugin-minimal';
const FOLDER = join(ROOT, 'examples', 'plugin-minimal');

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
    const args = [images, '--output', work, '--only', 'retina-agent', '--tag', tag, '--with', packed];
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
});
