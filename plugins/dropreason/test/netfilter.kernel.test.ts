import { setTimeout as sleep } from 'node:timers/promises';
import { connect, datagrams, NodeWorld, PluginHost, World } from '@retina/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const PLUGIN = new URL('../src/index.ts', import.meta.url);
const COUNT = 'networkobservability_drop_count';
const RULE = 'networkobservability_drop_netfilter_packets_total';
const RULE_BYTES = 'networkobservability_drop_netfilter_bytes_total';
const RULES = `table inet fw {
 chain in {
  type filter hook input priority 0; policy accept;
  udp dport 7000 counter drop comment "no gossip"
  udp dport 7001 counter log level debug drop
  tcp dport 7002 counter reject with tcp reset comment "no telnet"
  counter udp dport 7003 drop comment "counts what it does not drop"
  udp dport 7004 drop comment "no counter"
  udp dport 7005 counter jump more
 }
 chain more { counter drop comment "further down"; }
}
`;
const CLASH = `table ip nat {
 chain post { type nat hook postrouting priority 100; udp dport 5555 snat to 192.168.77.2:6000; }
}
`;
const asRoot = process.getuid?.() === 0 || process.env['CI'] === 'true';

describe.runIf(asRoot)('what netfilter drops', () => {
  let world: World;
  let net: NodeWorld;

  beforeEach(async () => {
    world = await World.create('dropnetfilter');
    net = await NodeWorld.create(world, []);
  });
  afterEach(async () => world[Symbol.asyncDispose]());

  const start = (options: Record<string, unknown> = {}) =>
    PluginHost.start({ in: net.node, plugins: [[PLUGIN, { netns: 'own', rulesEverySeconds: 1, ...options }]] });
  const send = (port: number, packets: number) =>
    datagrams(net.outside, {
      source: net.outsideAddress.ipv4,
      destination: net.address.ipv4,
      port,
      packets,
      size: 100,
    });

  it('is told by rule, and the sum is what the kernel dropped', async () => {
    await net.node.nft(RULES);
    await using host = await start();
    const ports = [7000, 7001, 7003, 7004, 7005];
    for (const [i, port] of ports.entries()) await send(port, 10 * (i + 1));
    await connect(net.outside, { destination: net.address.ipv4, port: 7002, packets: 7 });
    await sleep(2300);
    const metrics = await host.metrics();
    const rule = (name: string, chain = 'in') =>
      metrics.one(RULE, { family: 'inet', table: 'fw', chain, rule: name });
    expect(rule('no gossip')).toBe(10);
    expect(rule('no telnet')).toBe(7);
    expect(rule('further down', 'more')).toBe(50);
    const [unnamed] = metrics.select(RULE, { rule: /^handle \d+$/ });
    expect(unnamed!.value).toBe(20);
    expect(metrics.one(RULE_BYTES, { rule: 'no gossip' })).toBe(10 * 128);
    // rules without a counter, or with one in front of a condition, are not told apart
    expect(metrics.select(RULE)).toHaveLength(4);
    expect(metrics.by('counter', 'networkobservability_drop_netfilter_rules')).toEqual({ yes: 4, no: 2 });
    const rest = 30 + 40;
    expect(metrics.sum(COUNT, { reason: 'IPTABLE_RULE_DROP' })).toBe(metrics.sum(RULE) + rest);
  }); // prettier-ignore

  it('goes on when rules are replaced, added and removed', async () => {
    await net.node.nft(RULES);
    await using host = await start();
    await send(7000, 10);
    await sleep(2200);
    await net.node.nft(`flush chain inet fw in\n${RULES.replace('no telnet', 'still no telnet')}`);
    await send(7000, 5);
    const gossip = async () => (await host.metrics()).one(RULE, { rule: 'no gossip' });
    await expect.poll(gossip, { timeout: 20_000, interval: 200 }).toBe(15);
    expect((await host.metrics()).one(RULE, { rule: 'still no telnet' })).toBe(0);
    await net.node.exec('nft', ['delete', 'table', 'inet', 'fw']);
    const rules = async () => (await host.metrics()).sum('networkobservability_drop_netfilter_rules');
    await expect.poll(rules, { timeout: 20_000, interval: 200 }).toBe(0);
    const after = await host.metrics();
    expect(after.one(RULE, { rule: 'no gossip' })).toBe(15);
    expect(after.sum('networkobservability_drop_netfilter_readings_total', { outcome: 'failed' })).toBe(0);
  });

  it('is told apart from what the connection table refuses, where rules free their packets themselves', async () => {
    await net.node.nft(CLASH + RULES);
    await using host = await start();
    await net.node.exec('bash', ['-c', 'for i in {1..20}; do echo > /dev/udp/192.168.77.1/5555; done 2>&-; true']);
    await send(7000, 3);
    await sleep(1300);
    const metrics = await host.metrics();
    const reasons = metrics.by('reason', COUNT);
    const [major = 0, minor = 0] = (await net.node.exec('uname', ['-r'])).stdout.split('.').map(Number);
    if (major > 6 || (major === 6 && minor >= 7)) {
      expect(reasons).toEqual({ CONNTRACK_ADD_DROP: 19, IPTABLE_RULE_DROP: 3 });
    } else expect(reasons).toEqual({ IPTABLE_RULE_DROP: 22 });
  });

  it('says that it cannot watch chains where the kernel refuses, and counts all the same', async () => {
    await net.node.nft(RULES);
    await using host = await PluginHost.start({
      in: net.node,
      plugins: [[PLUGIN, { netns: 'own', chains: true }]],
    }).catch((error: Error) => {
      expect(error.message).toContain('The chains of netfilter are not watched');
      return start({ rulesEverySeconds: 0 });
    });
    await send(7000, 5);
    await sleep(1300);
    const [flow] = (await host.flows()).filter(({ packet }) => !packet);
    expect(flow).toMatchObject({ drop_reason_desc: 'IPTABLE_RULE_DROP', packets: 5 });
    // where it is allowed, the chain has its name
    if (flow!.policies) expect(flow!.policies).toEqual([{ kind: 'nftables', name: 'inet/fw/in' }]);
  });
});
