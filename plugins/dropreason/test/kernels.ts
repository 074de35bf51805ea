import { connect, datagrams, kernelChecks, type KernelRun, legacyDrop } from '@retina/testkit/kernels';

const COUNT = 'networkobservability_drop_count';
const BYTES = 'networkobservability_drop_bytes';
const ETHERNET = 14;
/** Before this many arguments the tracepoint gives no reason, and the place of the drop stands for it. */
const WITH_REASON = 3;
const CHAIN = 'nftables inet/drops/forward';
const TABLES = ['iptables filter/FORWARD', 'ip6tables filter/FORWARD'] as const;
const UNNAMED = 'none';
const RULE = 'networkobservability_drop_netfilter_packets_total';

/** Whether the kernel has tables of the older iptables. */
let tables = false;

export default kernelChecks({
  // chains are named where the kernel lets itself be watched, and where that is refused everything else is the same
  options: { netns: 'own', samplesPerSecond: 100, rulesEverySeconds: 1, chains: true },
  pods: ['web', 'old'],
  modules: ['nf_tables', 'iptable_filter', 'ip6table_filter'],
  async prepare(net) {
    await net.node.nft(`table inet drops {
 chain forward { type filter hook forward priority 0; udp dport 7000 counter drop comment "seven"; }
}
`);
    for (const address of [net.pod('old').ipv4, net.pod('old').ipv6]) tables = await legacyDrop(net.node, address);
  },
  async check(on) {
    const { host, net } = on;
    const reasonless = on.kernel.tracepointArguments('kfree_skb') < WITH_REASON;
    const how = reasonless ? 'by the place of the drop' : undefined;
    const unnamed = reasonless ? 'not named: a drop has no reason here' : 'not named: fexit is refused here';
    let [packets, bytes] = [0, 0];
    for (const ip of ['ipv4', 'ipv6'] as const) {
      const route = { source: net.outsideAddress[ip], destination: on.pod('web')[ip], port: 7000 };
      const plain = await datagrams(net.outside, { ...route, packets: 200, flows: 5 });
      const whole = await datagrams(net.outside, { ...route, packets: 40, size: 8000, segment: 800 });
      packets += plain.packets + whole.packets;
      bytes += plain.bytes + whole.bytes - (plain.packets + whole.packets) * ETHERNET;
      const labels = { reason: 'IPTABLE_RULE_DROP', direction: 'ingress' };
      const read = async () => {
        const metrics = await host.metrics();
        return { packets: metrics.sum(COUNT, labels), bytes: metrics.sum(BYTES, labels) };
      };
      await on.finds(`packets and bytes a firewall rule drops, GSO among them, ${ip}`, { packets, bytes }, read, how);
    }
    const seen: Seen = { packets: 0, headers: false, policies: {} };
    await on.finds('the same drops in flow records', packets, () => look(host, seen), how);
    const named = CHAIN in seen.policies;
    const policy = named ? CHAIN : UNNAMED;
    await on.finds('headers of dropped packets, as sent', true, () => seen.headers, how);
    await on.finds(
      'the chain that dropped them',
      { [policy]: packets },
      () => seen.policies,
      named ? undefined : unnamed,
    );
    await older(on, how, unnamed);
    // a GSO packet is one for the rule, unless the sender's kernel had split it
    const { stdout } = await net.node.exec('nft', ['list', 'chain', 'inet', 'drops', 'forward']);
    const bundles = Number(/counter packets (\d+)/.exec(stdout)?.[1]);
    await on.finds('the same drops by the rule that dropped them', bundles, async () =>
      (await host.metrics()).sum(RULE, { table: 'drops', chain: 'forward', rule: 'seven' }),
    );

    const closed = { port: 9, packets: 100, rate: 1000 };
    for (const ip of ['ipv4', 'ipv6'] as const) {
      await datagrams(net.outside, { source: net.outsideAddress[ip], destination: net.address[ip], ...closed });
    }
    const reason = { reason: 'NO_SOCKET', direction: 'ingress' };
    await on.finds(
      'datagrams without a socket, both families',
      200,
      async () => (await host.metrics()).sum(COUNT, reason),
      how,
    );

    for (const ip of ['ipv4', 'ipv6'] as const) {
      await connect(net.node, { destination: net.outsideAddress[ip], port: 9, packets: 10 });
    }
    const refused = { reason: 'TCP_CONNECT_BASIC', direction: 'egress' };
    await on.finds('connects that fail, both families', 20, async () => (await host.metrics()).sum(COUNT, refused));
  },
});

/** The older iptables: drops by table and hook, as far as the kernel lets either be known. */
async function older(on: KernelRun, how: string | undefined, unnamed: string): Promise<void> {
  const { host, net } = on;
  const seen: Seen = { packets: 0, headers: false, policies: {} };
  const expected: Record<string, number> = {};
  if (tables) {
    for (const [i, ip] of (['ipv4', 'ipv6'] as const).entries()) {
      const route = { source: net.outsideAddress[ip], destination: on.pod('old')[ip], port: 7001 };
      expected[TABLES[i]!] = (await datagrams(net.outside, { ...route, packets: 50 + 10 * i, flows: 5 })).packets;
    }
  }
  const sum = Object.values(expected).reduce((a, b) => a + b, 0);
  await on.finds('what the older iptables drops', sum, () => look(host, seen), tables ? how : 'no such tables');
  const named = !(UNNAMED in seen.policies);
  await on.finds(
    'the table and hook that dropped it',
    named ? expected : { [UNNAMED]: sum },
    () => seen.policies,
    tables ? (named ? undefined : unnamed) : 'no such tables',
  );
}

/** What flow records have said so far of packets a rule dropped. */
interface Seen {
  packets: number;
  /** A sample has the headers of such a packet, and nothing more. */
  headers: boolean;
  /** Packets by the chain that dropped them. */
  readonly policies: Record<string, number>;
}

async function look(host: KernelRun['host'], seen: Seen): Promise<number> {
  for (const flow of await host.flows()) {
    if (flow.drop_reason_desc !== 'IPTABLE_RULE_DROP') continue;
    seen.packets += flow.packets;
    // UDP to port 7000 behind the header of either family
    if (flow.packet) seen.headers ||= /^(45.{42}|6.{83})1b58.{8}$/.test(flow.packet);
    if (!flow.packets) continue;
    const names = (flow.policies ?? []).map(({ kind, name }) => `${kind} ${name}`).join(', ') || UNNAMED;
    seen.policies[names] = (seen.policies[names] ?? 0) + flow.packets;
  }
  return seen.packets;
}
