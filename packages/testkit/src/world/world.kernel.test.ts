import { describe, expect, it } from 'vitest';
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
      for (const address of [
        net.pod('b').ipv4,
        net.pod('b').ipv6,
        net.outsideAddress.ipv4,
        net.outsideAddress.ipv6,
        '10.244.0.1',
      ]) {
        await namespace.exec('ping', ['-c1', '-W2', '-q', address]);
      }
      const before = await net.node.counters(net.pod('b').hostInterface);
      await namespace.exec('ping', ['-c3', '-i0.01', '-W2', '-q', net.pod('b').ipv4]);
      const after = await net.node.counters(net.pod('b').hostInterface);
      expect(after.txPackets - before.txPackets).toBe(3);
      expect(after.txBytes - before.txBytes).toBe(3 * 98);
      namespace.spawn('sleep', ['1000']);
      expect(await namespaces()).toContain(names[0]);
    }
    for (const name of names) expect(await namespaces()).not.toContain(name);
  });

  it('drops by nftables what it is told to', async () => {
    await using world = await World.create('worldtest');
    const net = await NodeWorld.create(world, ['a', 'b']);
    await net
      .pod('b')
      .namespace.nft('table inet t { chain c { type filter hook input priority 0; udp dport 9 drop\n } }');
    const ping = await net.pod('a').namespace.exec('ping', ['-c1', '-W1', '-q', net.pod('b').ipv4], { mayFail: true });
    expect(ping.code).toBe(1);
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
