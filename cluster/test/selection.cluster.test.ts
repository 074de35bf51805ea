import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agents, apply, install, kubectl, NAMESPACE, type Pod, WORLD } from '../src/cluster.ts';
import { scrape, select, sum } from '../src/metrics.ts';
import { eventually } from '../src/run.ts';
import { createWorld, echo, removeWorld, resolves, type World } from '../src/world.ts';

const ZONE = 'topology.kubernetes.io/zone';
const FAMILY = 'adv_forward_count';
const values = { enablePodLevel: true, remoteContext: true, enabledPlugin_linux: ['packetparser'] };
let world: World;

const zone = (node: string, name: string) => kubectl('label', 'node', node, '--overwrite', `${ZONE}=${name}`);
const configure = (spec: object) =>
  apply(JSON.stringify({ apiVersion: 'retina.sh/v1alpha1', kind: 'MetricsConfiguration', metadata: { name: 'chosen' }, spec })); // prettier-ignore
const forward = (sourceLabels: readonly string[], destinationLabels: readonly string[]) => [
  { metricName: 'forward_count', sourceLabels, destinationLabels },
];

beforeAll(async () => {
  await install(values);
  world = await createWorld();
  await zone(world.client.node, 'zone-a');
  await zone(world.far.node, 'zone-b');
});
afterAll(async () => {
  await kubectl('delete', 'metricsconfigurations.retina.sh', '--all', '--ignore-not-found');
  await kubectl('label', 'nodes', '--all', `${ZONE}-`);
  await removeWorld();
});

describe('a MetricsConfiguration, while agents run', () => {
  it('gives zones of both ends as labels, and follows a node into another zone', async () => {
    const { client, far } = world;
    await configure({ contextOptions: forward(['podname', 'zone'], ['podname', 'zone']), namespaces: { include: [WORLD] } }); // prettier-ignore
    const labels = (there: string) => ({
      direction: 'EGRESS', source_podname: client.name, source_zone: 'zone-a', destination_podname: far.name, destination_zone: there,
    }); // prettier-ignore
    const seen = async () =>
      select(await scrape(client.node), FAMILY, { source_podname: client.name, destination_podname: far.name });
    for (const there of ['zone-b', 'zone-c']) {
      await zone(far.node, there);
      await eventually(async () => {
        await echo(client, far.addresses[0]!, 9000, 2, 10);
        expect((await seen()).map((one) => one.labels)).toContainEqual(labels(there));
      });
      const count = async () => sum(await scrape(client.node), FAMILY, labels(there));
      const before = await eventually(async () => {
        const first = await count();
        expect(await count()).toBe(first);
        return first;
      });
      await echo(client, far.addresses[0]!, 9000, 60, 10);
      await eventually(async () => expect(await count()).toBeGreaterThanOrEqual(before + 60));
    }
    // What follows is of labels without zones: with these nothing else was made.
    for (const { labels: has } of await seen()) {
      expect(Object.keys(has).sort()).toEqual(Object.keys(labels('')).sort());
    }
  });

  it('leaves out the namespaces that it excludes, and no other', async () => {
    const { client, far } = world;
    await configure({ contextOptions: forward(['podname'], ['podname', 'namespace']), namespaces: { exclude: [WORLD] } }); // prettier-ignore
    const act = async () => {
      await resolves(client, '10.96.0.10', { name: 'far.retina-world.svc.cluster.local' });
      await echo(client, far.addresses[0]!, 9000, 20, 10);
    };
    const asked = async () => sum(await scrape(client.node), FAMILY, { source_podname: client.name, destination_namespace: 'kube-system' }); // prettier-ignore
    await eventually(async () => {
      await act();
      expect(await asked()).toBeGreaterThan(0); // in force: these labels are of this object alone
    });
    const before = await asked();
    await act();
    await eventually(async () => expect(await asked()).toBeGreaterThan(before));
    expect(select(await scrape(client.node), FAMILY, { destination_podname: far.name })).toEqual([]);
    await kubectl('delete', 'metricsconfiguration', 'chosen');
  });
});

/** What a line of flow log or history says, as far as it matters here. */
interface Flow {
  readonly source: { readonly pod_name?: string };
  readonly destination: { readonly pod_name?: string };
  readonly packets: number;
  readonly dns?: object;
}

/** What ten datagrams to each server add, in the end. */
const adds = (near: number, far: number) =>
  eventually(async () => {
    const { client } = world;
    const servers = [world.near, world.far];
    const read = async () => {
      const samples = await scrape(client.node);
      return servers.map(({ name }) => sum(samples, FAMILY, { direction: 'EGRESS', source_podname: client.name, destination_podname: name })); // prettier-ignore
    };
    const before = await read();
    for (const { addresses } of servers) await echo(client, addresses[0]!, 9000, 10, 10);
    if (near + far === 0) await sleep(3000); // what would be counted has been by then
    await eventually(async () => expect((await read()).map((n, i) => n - before[i]!)).toEqual([near, far]), 4000);
  }, 150_000);

describe('annotations of pods and of their namespaces', () => {
  const annotate = (what: readonly string[], value: string) => kubectl('annotate', ...what, '--overwrite', `retina.sh${value}`); // prettier-ignore
  const namespace = ['namespace', WORLD];
  afterAll(() => annotate(namespace, '-'));

  it('choose pods, from the moment they are there; the others have no series', { timeout: 240_000 }, async () => {
    await install({ ...values, enableAnnotations: true });
    await adds(0, 0);
    const named = async () => select(await scrape(world.client.node), FAMILY, { source_podname: world.client.name });
    expect(await named()).toEqual([]);
    const far = ['-n', WORLD, 'pod', world.far.name];
    await annotate(far, '=observe');
    await adds(0, 10);
    await annotate(namespace, '=observe');
    await adds(10, 10);
    await annotate(namespace, '-');
    await adds(0, 10);
    await annotate(far, '-');
    await adds(0, 0);
  });

  it('choose whose flows are told of; the others are in the node’s counts alone', { timeout: 240_000 }, async () => {
    const { client, near, far } = world;
    const enabledPlugin_linux = ['packetparser', 'packetforward', 'dns'];
    await install({
      ...values,
      enabledPlugin_linux,
      enableAnnotations: true,
      exporters: { prometheus: {}, flowlog: {} },
    });
    await annotate(['-n', WORLD, 'pod', far.name], '=observe');
    await adds(0, 10); // whoever counts it knows of the choice
    const agent = (await agents()).get(client.node)!.name;
    const inAgent = async () => {
      const lines = (await kubectl('-n', NAMESPACE, 'logs', agent))
        .split('\n')
        .filter((line) => line.startsWith('{"flow"'));
      const history = await kubectl('-n', NAMESPACE, 'exec', agent, '--', 'retina', 'flows', '--since', '10m');
      const read = (line: string) => JSON.parse(line) as Flow;
      return [
        lines.map((line) => (JSON.parse(line) as { flow: Flow }).flow),
        history.split('\n').filter(Boolean).map(read),
      ];
    };
    const sent = (flows: readonly Flow[], to: Pod) =>
      flows
        .filter(({ source, destination }) => source.pod_name === client.name && destination.pod_name === to.name)
        .reduce((packets, flow) => packets + flow.packets, 0);
    const told = async () => (await inAgent()).map((flows) => [sent(flows, near), sent(flows, far)]);
    const counted = async () => {
      const samples = await scrape(client.node);
      const aside = (component: string) => sum(samples, 'retina_flow_not_selected_packets_total', { component });
      const dns = sum(samples, 'retina_flow_not_selected_records_total', { component: 'dns' });
      return {
        node: sum(samples, 'forward_count'),
        asked: sum(samples, 'dns_request_count'),
        aside: aside('packetparser'),
        dns,
      };
    };
    await sleep(3000); // what was sent before is in the history by then
    const toldBefore = await eventually(async () => {
      const [log, history] = await told();
      expect(log).toEqual(history); // the log comes later
      return [log!, history!];
    });
    const before = await counted();
    for (const { addresses } of [near, far]) await echo(client, addresses[0]!, 9000, 10, 10);
    for (const server of ['10.96.0.10', near.addresses[0]!]) {
      await resolves(client, server, { name: 'nobody-chose.example', timeout: 500 });
    }
    await eventually(async () => {
      const after = await counted();
      // ten there at the one pod's interface, ten at the other's, and back; queries to each server
      expect(after.aside - before.aside).toBeGreaterThanOrEqual(40);
      expect(after.asked - before.asked).toBeGreaterThanOrEqual(2);
      expect(after.dns - before.dns).toBeGreaterThanOrEqual(2);
      // of the two pods only the far one's packets cross the node's uplink
      expect(after.node - before.node).toBeGreaterThanOrEqual(20);
      const more = (await told()).map((totals, i) => totals.map((n, j) => n - toldBefore[i]![j]!));
      expect(more.map(([, toFar]) => toFar)).toEqual([20, 20]); // once at the pod's interface, once at the uplink
    });
    for (const flows of await inAgent()) {
      const of = flows.filter(({ source, destination }) =>
        [source, destination].some((end) => end.pod_name === near.name),
      );
      expect(of).toEqual([]);
      expect(flows.filter(({ dns }) => dns !== undefined)).toEqual([]);
      expect(flows.some(({ source }) => source.pod_name === far.name)).toBe(true);
    }
    const samples = await scrape(client.node);
    expect(samples.filter(({ labels }) => Object.values(labels).some((text) => text.includes('nobody-chose')))).toEqual(
      [],
    );
    await annotate(['-n', WORLD, 'pod', far.name], '-');
  });

  it('choose nothing where bypassLookupIPOfInterest reports all', { timeout: 240_000 }, async () => {
    await install({ ...values, enableAnnotations: true, bypassLookupIPOfInterest: true });
    await adds(10, 10);
  });
});

describe('selectors for the labels of pods and of their namespaces', () => {
  const observe = (pod: Pod, mark: string) => kubectl('-n', WORLD, 'label', 'pod', pod.name, mark);

  it('choose pods; configuration and labels change, agents stay', { timeout: 240_000 }, async () => {
    await install({ ...values, agent: { restartOnConfigChange: false } });
    await adds(10, 10);
    const kubernetes = {
      podSelector: { matchLabels: { observed: 'yes' } },
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': WORLD } },
    };
    await observe(world.far, 'observed=yes');
    await install({ ...values, agent: { restartOnConfigChange: false, config: { kubernetes } } });
    await kubectl('-n', NAMESPACE, 'annotate', 'pods', '-l', 'k8s-app=retina', '--overwrite', `looked=${Date.now()}`);
    await adds(0, 10);
    await observe(world.near, 'observed=yes');
    await adds(10, 10);
    await observe(world.far, 'observed-');
    await adds(10, 0);
    // Neither is there without the namespace's label.
    const elsewhere = { matchLabels: { 'kubernetes.io/metadata.name': 'elsewhere' } };
    await install({ ...values, agent: { restartOnConfigChange: true, config: { kubernetes: { ...kubernetes, namespaceSelector: elsewhere } } } }); // prettier-ignore
    await adds(0, 0);
  });
});
