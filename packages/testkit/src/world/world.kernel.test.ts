import { describe, expect, it } from 'vitest';
import { connect, datagrams, serve } from '../traffic/index.ts';
import { NodeWorld, removeLeftovers, run, Running, World } from './index.ts';

const root = process.getuid?.() === 0;
const kernel = describe.runIf(root || process.env['CI'] === 'true');

async function namespaces(): Promise<string> {
  return (await run('ip', ['netns', 'list'])).stdout;
}

kernel('worlds', () => {
  it('connects pods with each other and the outside, in both families, and leaves nothing behind', async () => {
    let names: string[];
    {
      await using world = await World.create('worldtest');
      const net = await NodeWorld.create(world, ['a', 'b']);
      names = [net.node.name, net.pod('a').namespace.name];
      const { namespace } = net.pod('a');
      const targets = [
        [net.pod('b').namespace, net.pod('b')],
        [net.outside, net.outsideAddress],
        [net.node, net.address],
      ] as const;
      for (const [where, addresses] of targets) {
        for (const address of [addresses.ipv4, addresses.ipv6]) {
          const server = await serve(where, 'accept', { source: address, port: 80 });
          const made = await connect(namespace, { destination: address, port: 80, packets: 3, size: 100 });
          expect(made).toMatchObject({ connections: 3, failed: 0, refused: 0 });
          expect(await server.stop()).toMatchObject({ connections: 3, payload: 300 });
        }
      }
      namespace.spawn('sleep', ['1000']);
      expect(await namespaces()).toContain(names[0]);
    }
    for (const name of names) expect(await namespaces()).not.toContain(name);
  });

  it('drops by nftables what it is told to', async () => {
    await using world = await World.create('worldtest');
    const net = await NodeWorld.create(world, ['a', 'b']);
    const [a, b] = [net.pod('a'), net.pod('b')];
    const sink = await serve(b.namespace, 'udp-sink', { source: b.ipv4, port: 9 });
    const hook = 'type filter hook input priority 0;';
    await b.namespace.nft(`table inet t {\nchain c {\n${hook}\nudp sport 1024 drop\n}\n}\n`);
    const route = { source: a.ipv4, destination: b.ipv4, port: 9, packets: 5, rate: 10_000 };
    await datagrams(a.namespace, { ...route, sourcePort: 1024 });
    await datagrams(a.namespace, { ...route, sourcePort: 1025 });
    expect(await sink.stop()).toMatchObject({ packets: 5 });
  });

  it('removes what a killed process left behind', async () => {
    const script = `import { World } from ${JSON.stringify(new URL('./index.ts', import.meta.url).href)};
      const world = await World.create('worldleft');
      const space = await world.namespace('x');
      space.spawn('sleep', ['1000']);
      console.log(space.name);
      setInterval(() => {}, 1000);`;
    const child = new Running(process.execPath, ['--input-type=module', '--conditions=@retina/source', '-e', script]);
    const [name] = await child.output(/retina-worldleft-\S+/);
    child.kill('SIGKILL');
    await child.ended;
    expect(await namespaces()).toContain(name);
    expect(await removeLeftovers('worldleft')).toEqual([name]);
    expect(await namespaces()).not.toContain(name);
  });
});
