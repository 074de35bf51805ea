import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { agents, apply, install, json, kubectl, NAMESPACE, pods } from '../src/cluster.ts';
import { scrape, select, sum } from '../src/metrics.ts';
import { eventually } from '../src/run.ts';
import { createWorld, echo, removeWorld, type World } from '../src/world.ts';

const LEASE = '16937e39.retina.sh';

/** The pod that works, of the two replicas. */
async function leader(): Promise<string> {
  const { spec } = await json<{ spec: { holderIdentity?: string } }>('-n', NAMESPACE, 'get', 'lease', LEASE);
  return spec.holderIdentity!.split('_')[0]!;
}

interface Endpoint {
  readonly spec: { readonly podIP: string; readonly podIPs: readonly string[] };
}
const endpoint = (name: string) => json<Endpoint>('-n', 'retina-world', 'get', 'retinaendpoint', name);

describe('remote context through the operator', () => {
  let world: World;
  /** The sets of labels that the client's node has of a family. */
  const forwardLabels = async () => {
    const found = select(await scrape(world.client.node), 'adv_forward_count');
    return [...new Set(found.map(({ labels }) => Object.keys(labels).join()))];
  };
  beforeAll(async () => {
    await install({
      enablePodLevel: true,
      remoteContext: true,
      operator: { enabled: true, replicas: 2 },
      enabledPlugin_linux: ['packetparser'],
    });
    await kubectl('-n', NAMESPACE, 'rollout', 'status', 'deployment/retina-operator', '--timeout=90s');
    world = await createWorld();
  });
  afterAll(async () => {
    await kubectl('delete', 'metricsconfigurations.retina.sh', '--all', '-A', '--ignore-not-found');
    await removeWorld();
  });

  it('keeps an object for each pod, with all of its addresses', async () => {
    for (const { name, addresses } of [world.client, world.near, world.far]) {
      const { spec } = await eventually(() => endpoint(name));
      expect([spec.podIP, spec.podIPs]).toEqual([addresses[0], addresses]);
    }
  });

  it('names both ends of what crosses nodes, on each node', async () => {
    const { client, far } = world;
    const ends = { source_podname: client.name, destination_podname: far.name, destination_workload_name: 'far' };
    const read = async () => {
      const [there, here] = await Promise.all([scrape(client.node), scrape(far.node)]);
      return [
        sum(there, 'adv_forward_count', { direction: 'EGRESS', ip: client.addresses[0]!, ...ends }),
        sum(there, 'adv_forward_count', { direction: 'EGRESS', ...ends }),
        sum(here, 'adv_forward_count', { direction: 'INGRESS', ...ends }),
      ];
    };
    const [, before, beforeThere] = await read();
    await echo(client, far.addresses[0]!, 9000, 120, 10);
    await eventually(async () => {
      const [, after, afterThere] = await read();
      expect([after! - before!, afterThere! - beforeThere!]).toEqual([120, 120]);
    });
  });

  it('reports whether a MetricsConfiguration is in force, so that kubectl can wait for it', async () => {
    const of = (name: string, spec: object) =>
      JSON.stringify({ apiVersion: 'retina.sh/v1alpha1', kind: 'MetricsConfiguration', metadata: { name }, spec });
    const contextOptions = [
      { metricName: 'forward_count', sourceLabels: ['namespace'], destinationLabels: ['podname'] },
    ];
    await apply(of('pods', { contextOptions, namespaces: { include: ['retina-world'] } }));
    await kubectl('wait', '--for=condition=Accepted', 'metricsconfiguration/pods', '--timeout=30s');
    await echo(world.client, world.far.addresses[0]!, 9000, 10, 10);
    await eventually(async () => {
      expect(await forwardLabels()).toEqual(['direction,source_namespace,destination_podname']);
    });
    const both = of('both', { contextOptions, namespaces: { include: ['a'], exclude: ['b'] } });
    await expect(apply(both)).rejects.toThrow(/exclude/);
  });

  it('keeps what was good of one that gets a mistake: agents go by that, those that begin then as well', async () => {
    const good = [{ metricName: 'forward_count', sourceLabels: ['namespace'], destinationLabels: ['podname'] }];
    const twice = [{ metricName: 'forward_count', sourceLabels: ['ip'] }, { metricName: 'Forward_Count' }];
    const set = (contextOptions: readonly object[]) =>
      kubectl('patch', 'metricsconfiguration', 'pods', '--type=merge', '-p', JSON.stringify({ spec: { contextOptions } })); // prettier-ignore
    const asGood = () =>
      eventually(async () => {
        await echo(world.client, world.far.addresses[0]!, 9000, 2, 10);
        expect(await forwardLabels()).toEqual(['direction,source_namespace,destination_podname']);
      });
    await set(twice);
    await kubectl('wait', '--for=condition=Accepted=false', 'metricsconfiguration/pods', '--timeout=30s');
    const { status } = await json<{ status: object }>('get', 'metricsconfiguration', 'pods');
    const reason = expect.stringContaining('Forward_Count is there twice; keep one') as string;
    expect(status).toMatchObject({ state: 'Errored', reason, lastKnownSpec: { contextOptions: good } });
    await asGood();
    const { name } = (await agents()).get(world.client.node)!;
    await kubectl('-n', NAMESPACE, 'delete', 'pod', name);
    await kubectl('-n', NAMESPACE, 'rollout', 'status', 'daemonset/retina-agent', '--timeout=90s');
    await asGood();
    const fresh = (await agents()).get(world.client.node)!;
    expect(fresh.name).not.toBe(name);
    const says = /MetricsConfiguration pods has mistakes and is not in force[^]*forward_count is there twice/;
    expect(await kubectl('-n', NAMESPACE, 'exec', fresh.name, '--', 'retina', 'status')).toMatch(says);
    expect(await kubectl('-n', NAMESPACE, 'logs', fresh.name)).toMatch(says);

    await set([{ metricName: 'forward_count', sourceLabels: ['podname'] }]);
    await kubectl('wait', '--for=condition=Accepted', 'metricsconfiguration/pods', '--timeout=30s');
    await eventually(async () => {
      await echo(world.client, world.far.addresses[0]!, 9000, 2, 10);
      expect(await forwardLabels()).toEqual(['direction,source_podname']);
    });
    expect(await kubectl('-n', NAMESPACE, 'exec', fresh.name, '--', 'retina', 'status')).not.toMatch(says);
  });

  it('its leader is killed: the other one follows, and new pods have their object', async () => {
    const before = await leader();
    const began = Date.now();
    await kubectl('-n', NAMESPACE, 'delete', 'pod', before, '--force', '--grace-period=0');
    await eventually(async () => expect(await leader()).not.toBe(before), 40_000);
    // The kubelet's SIGTERM lets it give the lease back; killed outright it is followed after the lease has run out.
    expect(Date.now() - began).toBeLessThan(20_000);
    await kubectl('-n', 'retina-world', 'rollout', 'restart', 'deployment/near');
    await kubectl('-n', 'retina-world', 'rollout', 'status', 'deployment/near', '--timeout=60s');
    await eventually(async () => {
      for (const { name, addresses } of await pods('retina-world', 'app=near')) {
        expect((await endpoint(name)).spec.podIPs).toEqual(addresses);
      }
      await expect(endpoint(world.near.name)).rejects.toThrow(/NotFound/);
    });
  });
});
