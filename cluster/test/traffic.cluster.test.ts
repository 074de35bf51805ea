import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { apply, install, json, kubectl, onNode, TOOL, type Pod, WORLD } from '../src/cluster.ts';
import { scrape, select, sum } from '../src/metrics.ts';
import { eventually } from '../src/run.ts';
import { connects, createWorld, echo, removeWorld, resolves, type World } from '../src/world.ts';

/** The cluster's DNS server, and the machine that runs a cluster of the tool's making, as its pods see it. */
const DNS = '10.96.0.10';
const OUTSIDE = '172.30.0.1';

let world: World;
const remote = ['namespace', 'podname', 'workload'];

beforeAll(async () => {
  const both = { sourceLabels: remote, destinationLabels: [...remote, 'service', 'port'] };
  const metricNames = ['forward_count', 'forward_bytes', 'drop_count', 'dns_request_count', 'dns_response_count'];
  const metricsConfiguration = { contextOptions: metricNames.map((metricName) => ({ metricName, ...both })) };
  await install({
    enablePodLevel: true,
    remoteContext: true,
    enabledPlugin_linux: ['packetparser', 'packetforward', 'dropreason', 'dns', 'linuxutil'],
    agent: { config: { metricsConfiguration } },
  });
  world = await createWorld();
});
afterAll(() => removeWorld());

const source = ({ name }: Pod, app: string) => ({
  source_namespace: 'retina-world',
  source_podname: name,
  source_workload_kind: 'Deployment',
  source_workload_name: app,
});
const destination = ({ name }: Pod, app: string, port: number) => ({
  destination_namespace: 'retina-world',
  destination_podname: name,
  destination_workload_kind: 'Deployment',
  destination_workload_name: app,
  // `far` is behind the service of that name, whoever asks it directly.
  destination_service: app === 'far' ? 'far' : 'unknown',
  destination_port: String(port),
});

/** A series of a node, by all its labels. */
interface Series {
  readonly node: string;
  readonly family: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** What `act` adds to each series, once that has not changed for two intervals. */
async function added(series: readonly Series[], act: () => Promise<unknown>): Promise<number[]> {
  const read = async () => {
    const all = new Map<string, Awaited<ReturnType<typeof scrape>>>();
    for (const { node } of series) if (!all.has(node)) all.set(node, await scrape(node));
    return series.map(({ node, family, labels }) => {
      const found = select(all.get(node)!, family, labels);
      // Its labels are these and no others.
      for (const one of found) expect(one.labels).toEqual(labels);
      return found.reduce((total, { value }) => total + value, 0);
    });
  };
  const before = await read();
  await act();
  let last: number[] = [];
  await eventually(async () => {
    const now = (await read()).map((value, i) => value - before[i]!);
    const same = now.every((value, i) => value === last[i]);
    last = now;
    await sleep(1500);
    if (!same || now.some((value) => value === 0)) throw new Error(`still counting: ${now.join(', ')}`);
  }, 15_000).catch(() => {}); // the assertion says what is missing
  return last;
}

describe('datagrams between pods, counted one by one at both ends', () => {
  const family = 'adv_forward_count';
  it.each([
    ['on one node, IPv4', 'near', 0, 200],
    ['on one node, IPv6', 'near', 1, 201],
    ['across nodes, IPv4', 'far', 0, 202],
    ['across nodes, IPv6', 'far', 1, 203],
  ] as const)('%s', async (_, to, ip, count) => {
    const { client, [to]: server } = world;
    const labels = { ...source(client, 'client'), ...destination(server, to, 9000) };
    const series = [
      { node: client.node, family, labels: { direction: 'EGRESS', ...labels } },
      { node: server.node, family, labels: { direction: 'INGRESS', ...labels } },
      { node: client.node, family: 'adv_forward_bytes', labels: { direction: 'EGRESS', ...labels } },
    ];
    const header = 14 + (ip === 0 ? 20 : 40) + 8; // Ethernet, IP, UDP
    expect(await added(series, () => echo(client, server.addresses[ip]!, 9000, count, 100))).toEqual([
      count,
      count,
      count * (100 + header),
    ]);
  });

  it.each([
    ['IPv4', 0, 204],
    ['IPv6', 1, 205],
  ] as const)('through a service, %s: its name where the client is, the pod where that is', async (_, ip, count) => {
    const { client, far, service } = world;
    const toService = { ...destination(far, 'far', 80), destination_podname: 'far', destination_workload_kind: 'unknown', destination_workload_name: 'unknown' }; // prettier-ignore
    const series = [
      { node: client.node, family, labels: { direction: 'EGRESS', ...source(client, 'client'), ...toService } },
      { node: far.node, family, labels: { direction: 'INGRESS', ...source(client, 'client'), ...destination(far, 'far', 9000) } }, // prettier-ignore
    ];
    expect(await added(series, () => echo(client, service[ip]!, 80, count, 50))).toEqual([count, count]);
  });

  it.runIf(TOOL)('to an address outside of the cluster', async () => {
    const socket: Socket = createSocket('udp4');
    socket.on('message', (data, { port, address }) => socket.send(data, port, address));
    socket.bind(0, OUTSIDE);
    await once(socket, 'listening');
    const { port } = socket.address();
    const labels = {
      direction: 'EGRESS',
      ...source(world.client, 'client'),
      ...Object.fromEntries(['namespace', 'podname', 'workload_kind', 'workload_name', 'service'].map((one) => [`destination_${one}`, 'unknown'])), // prettier-ignore
      destination_port: String(port),
    };
    try {
      const act = () => echo(world.client, OUTSIDE, port, 150, 64);
      expect(await added([{ node: world.client.node, family, labels }], act)).toEqual([150]);
    } finally {
      socket.close();
    }
  });
});

describe('what is no pod', () => {
  /** An end that is a service, or what stands for the API server. */
  const named = (namespace: string, name: string, service: string, port: number) => ({
    destination_namespace: namespace,
    destination_podname: name,
    destination_workload_kind: 'unknown',
    destination_workload_name: 'unknown',
    destination_service: service,
    destination_port: String(port),
  });

  it('a port that nodes have for a service is that service’s, on another node', async () => {
    const { client, far } = world;
    const metadata = { name: 'far-port', namespace: WORLD };
    const spec = {
      type: 'NodePort',
      selector: { app: 'far' },
      ports: [{ port: 80, targetPort: 9000, protocol: 'UDP' }],
    };
    await apply(JSON.stringify({ apiVersion: 'v1', kind: 'Service', metadata, spec }));
    const made = await json<{ spec: { ports: { nodePort: number }[] } }>('-n', WORLD, 'get', 'service', 'far-port');
    const port = made.spec.ports[0]!.nodePort;
    const address = await kubectl('get', 'node', far.node, '-o', 'jsonpath={.status.addresses[?(@.type=="InternalIP")].address}'); // prettier-ignore
    const labels = { direction: 'EGRESS', ...source(client, 'client'), ...named(WORLD, 'far-port', 'far-port', port) };
    // Until the node's rules are there, and the agent has heard of it.
    const seen = async () => sum(await scrape(client.node), 'adv_forward_count', labels);
    await eventually(async () => {
      await echo(client, address.split(' ')[0]!, port, 1, 10);
      expect(await seen()).toBeGreaterThan(0);
    }, 60_000);
    const act = () => echo(client, address.split(' ')[0]!, port, 110, 40);
    expect(await added([{ node: client.node, family: 'adv_forward_count', labels }], act)).toEqual([110]);
  });

  it('the API server has its name', async () => {
    const { client } = world;
    const { spec } = await json<{ spec: { clusterIP: string } }>('get', 'service', 'kubernetes');
    const server = named('kubernetes-apiserver', 'kubernetes-apiserver', 'kubernetes', 443);
    const labels = { direction: 'EGRESS', ...source(client, 'client'), ...server };
    const act = async () => expect(await connects(client, spec.clusterIP, 443, 4)).toEqual(Array(4).fill('connected'));
    const [packets] = await added([{ node: client.node, family: 'adv_forward_count', labels }], act);
    expect(packets).toBeGreaterThanOrEqual(4 * 2); // a SYN and an ACK each
  });
});

describe.runIf(TOOL)('a connection that a rule of the node denies', () => {
  it('is counted with its reason and both names, on that node and on no other of the same kernel', async () => {
    const { client, far } = world;
    const denied = async (node: string) => sum(await scrape(node), 'drop_count', { reason: 'IPTABLE_RULE_DROP' });
    const elsewhere = await denied(far.node);
    const here = await denied(client.node);
    const rule = ['FORWARD', '-s', client.addresses[0]!, '-d', far.addresses[0]!, '-p', 'tcp', '--dport', '9001', '-j', 'DROP']; // prettier-ignore
    const labels = { reason: 'IPTABLE_RULE_DROP', direction: 'INGRESS', ...source(client, 'client'), ...destination(far, 'far', 9001) }; // prettier-ignore
    await onNode(client.node, 'iptables', '-I', ...rule);
    try {
      // Given up before the second SYN.
      const act = async () => expect(await connects(client, far.addresses[0]!, 9001, 6, 400)).toEqual(Array(6).fill('timeout')); // prettier-ignore
      expect(await added([{ node: client.node, family: 'adv_drop_count', labels }], act)).toEqual([6]);
    } finally {
      await onNode(client.node, 'iptables', '-D', ...rule);
    }
    expect(await denied(client.node)).toBe(here + 6);
    expect(await denied(far.node)).toBe(elsewhere);
    expect(await connects(client, far.addresses[0]!, 9001)).toEqual(['connected']);
  });
});

describe('DNS', () => {
  const name = (host: string) => `${host}.retina-world.svc.cluster.local`;
  const toDns = {
    destination_namespace: 'kube-system',
    destination_podname: 'kube-dns',
    destination_workload_kind: 'unknown',
    destination_workload_name: 'unknown',
    destination_service: 'kube-dns',
    destination_port: '53',
  };

  it.each([
    ['a good name', 'far', 'NOERROR'],
    ['a name that does not exist', 'nobody', 'NXDOMAIN'],
  ] as const)('%s', async (_, host, code) => {
    const { client, service } = world;
    const question = { query_type: 'A', query: `${name(host)}.` };
    const requests = { node: client.node, family: 'adv_dns_request_count', labels: { ...question, ...source(client, 'client'), ...toDns } }; // prettier-ignore
    const answered = async () => {
      const found = select(await scrape(client.node), 'adv_dns_response_count', { ...question, return_code: code });
      return found.map(({ labels, value }) => [labels['response'], labels['num_response'], labels['source_podname'], labels['destination_podname'], value]); // prettier-ignore
    };
    const act = async () => expect(await resolves(client, DNS, { name: name(host) })).toBe(code === 'NOERROR' ? service[0] : 'ENOTFOUND'); // prettier-ignore
    expect(await added([requests], act)).toEqual([1]);
    const [response, count] = code === 'NOERROR' ? [service[0], '1'] : ['', '0'];
    expect(await answered()).toEqual([[response, count, 'kube-dns', client.name, 1]]);
  });

  it('a server that does not answer: the query is counted, and that nothing came', async () => {
    const { client, far } = world;
    const dead = far.addresses[0]!.replace(/\d+$/, '250');
    const before = sum(await scrape(client.node), 'dns_unanswered_total');
    const question = { query_type: 'A', query: 'dead.example.' };
    expect(await resolves(client, dead, { name: 'dead.example', timeout: 500 })).toMatch(/ETIMEOUT|ECONNREFUSED/);
    await eventually(async () => {
      const samples = await scrape(client.node);
      expect(sum(samples, 'adv_dns_request_count', { ...question, source_podname: client.name })).toBe(1);
      expect(select(samples, 'adv_dns_response_count', question)).toEqual([]);
      expect(sum(samples, 'dns_unanswered_total')).toBe(before + 1);
    });
  });
});
