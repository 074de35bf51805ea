import { createSocket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  agents,
  helm,
  install,
  kubectl,
  NAMESPACE,
  nodes,
  onNode,
  type Pod,
  pods,
  TOOL,
  uninstall,
} from '../src/cluster.ts';
import { orphans, rules, settings } from '../src/left.ts';
import { parse, scrape, select, sum } from '../src/metrics.ts';
import { eventually, run } from '../src/run.ts';
import { connects, createWorld, echo, removeWorld, type World } from '../src/world.ts';

/** Agents take a new configuration over without a restart: the chart's default, which the other tests do not wait for. */
const AS_IT_IS = { restartOnConfigChange: false };

const running = async (node: string) =>
  select(await scrape(node), 'retina_plugin_state', { state: 'running' })
    .filter(({ value }) => value === 1)
    .map(({ labels }) => labels['plugin'])
    .sort();

/** Kills the agent of the pod whose uid is given, and no other process. */
const KILL = `for p in $(grep -ls "$1" /proc/[0-9]*/cgroup | cut -d/ -f3); do
  if grep -q @retina/agent /proc/$p/cmdline; then kill -KILL $p; fi
done`;

/** Whether a pod gets an answer from its node's end of the bridge: a connection, or a refusal. */
async function reachesItsNode(pod: Pod): Promise<boolean> {
  const gateway = pod.addresses[0]!.replace(/\d+$/, '1');
  const [how] = await connects(pod, gateway, 1, 1, 5000);
  return how === 'ECONNREFUSED' || how === 'connected';
}

describe('upgrade', () => {
  it('with other plugins: agents are replaced, with the rights of those', async () => {
    await uninstall();
    await install({ enabledPlugin_linux: ['linuxutil'] });
    for (const node of await nodes()) expect(await running(node)).toEqual(['linuxutil']);
    await install({ enabledPlugin_linux: ['linuxutil', 'packetforward'], logLevel: 'debug', agent: AS_IT_IS });
    await eventually(async () => {
      for (const node of await nodes()) expect(await running(node)).toEqual(['linuxutil', 'packetforward']);
    });
  });

  it('with other options: agents take them over and go on running', { timeout: 180_000 }, async () => {
    const before = await agents();
    await install({ enabledPlugin_linux: ['linuxutil', 'packetforward', 'dns'], logLevel: 'debug', agent: AS_IT_IS });
    // The same rights, so the same pods. Kubelet brings the file within two minutes, or when it looks at a pod anyway.
    await kubectl('-n', NAMESPACE, 'annotate', 'pods', '-l', 'k8s-app=retina', '--overwrite', `looked=${Date.now()}`);
    await eventually(async () => {
      for (const node of await nodes()) expect(await running(node)).toEqual(['dns', 'linuxutil', 'packetforward']);
    }, 150_000);
    const after = await agents();
    for (const [node, { uid }] of before) expect(after.get(node)).toMatchObject({ uid, restarts: 0 });
  });

  it('with a value the agent refuses: nothing is changed', async () => {
    const before = await helm(['get', 'values', 'retina', '-n', NAMESPACE]);
    await expect(install({ enabledPlugin_linux: ['dropreson'] })).rejects.toThrow(/enabledPlugin_linux/);
    expect(await helm(['get', 'values', 'retina', '-n', NAMESPACE])).toBe(before);
  });
});

describe.runIf(TOOL)('what goes wrong', () => {
  let world: World;
  beforeAll(async () => {
    await install({ enablePodLevel: true, plugins: { packetparser: {} } });
    world = await createWorld();
  });
  afterAll(() => removeWorld());

  it('an agent is killed: it comes back, alone at its hooks', async () => {
    const [node] = await nodes();
    const before = (await agents()).get(node!)!;
    const loose = await orphans();
    await onNode(node!, 'sh', '-c', KILL, 'kill', before.uid);
    await eventually(async () => {
      const agent = (await agents()).get(node!)!;
      expect(agent.restarts).toBe(before.restarts + 1);
      expect(await running(node!)).toContain('packetforward');
    }, 60_000);
    await eventually(async () => expect(await orphans(loose)).toEqual([]));
    // Each datagram once: the dead agent's programs count no more.
    const { addresses } = before;
    const count = async () => sum(await scrape(node!), 'forward_count', { direction: 'ingress' });
    const start = await count();
    await run('bash', ['-c', `for i in {1..2000}; do echo x >/dev/udp/${addresses[0]}/9 || true; done 2>/dev/null`]);
    await eventually(async () => expect(await count()).toBeGreaterThanOrEqual(start + 2000));
    expect(await count()).toBeLessThan(start + 3000);
  });

  it('a node is cordoned: its agent stays, and comes back when it is deleted', async () => {
    const { far } = world;
    const { name } = (await agents()).get(far.node)!;
    await kubectl('cordon', far.node);
    try {
      await kubectl('-n', NAMESPACE, 'delete', 'pod', name);
      await eventually(async () => expect(await running(far.node)).toContain('packetparser'), 60_000);
    } finally {
      await kubectl('uncordon', far.node);
    }
  });

  it(
    'the API server cannot be reached: counting goes on, names stay, nothing restarts',
    { timeout: 180_000 },
    async () => {
      const before = await agents();
      const [first] = await nodes();
      const { far } = world;
      const url = `http://${before.get(far.node)!.addresses[0]}:10093`;
      const named = { direction: 'ingress', ip: far.addresses[0]!, namespace: 'retina-world', podname: far.name, workload_kind: 'Deployment', workload_name: 'far' }; // prettier-ignore
      const count = async () => sum(parse(await (await fetch(`${url}/metrics`)).text()), 'adv_forward_count', named);
      const start = await count();
      const rule = ['INPUT', '-p', 'tcp', '--dport', '6443', '-j', 'DROP'];
      for (const tables of ['iptables', 'ip6tables']) await onNode(first!, tables, '-I', ...rule);
      let sent = 0;
      const socket = createSocket('udp4').bind(); // takes what comes back, else the kernel would answer that
      try {
        await expect(run('kubectl', ['get', 'nodes', '--request-timeout=2s'])).rejects.toThrow();
        const end = Date.now() + 60_000;
        while (Date.now() < end) {
          for (let i = 0; i < 20; i++) socket.send('x', 9000, far.addresses[0]);
          await sleep(5000);
          sent += 20;
          expect((await fetch(`${url}/readyz`)).status).toBe(200);
        }
        await eventually(async () => expect(await count()).toBe(start + sent));
      } finally {
        socket.close();
        for (const tables of ['iptables', 'ip6tables']) await onNode(first!, tables, '-D', ...rule);
      }
      await eventually(() => kubectl('get', 'nodes', '--request-timeout=5s'), 60_000);
      await kubectl('wait', '--for=condition=Ready', 'node', '--all', '--timeout=60s');
      for (const pod of [world.client, far]) expect(await reachesItsNode(pod)).toBe(true);
      const after = await agents();
      for (const [node, { uid, restarts }] of before) expect(after.get(node)).toMatchObject({ uid, restarts });
      // A pod that is new since: names are followed again.
      await kubectl('-n', 'retina-world', 'rollout', 'restart', 'deployment/far');
      await kubectl('-n', 'retina-world', 'rollout', 'status', 'deployment/far', '--timeout=60s');
      const [fresh] = (await pods('retina-world', 'app=far')).filter(({ name }) => name !== far.name);
      await eventually(async () => {
        await run('bash', ['-c', `echo x >/dev/udp/${fresh!.addresses[0]}/9000`]);
        expect(sum(await scrape(far.node), 'adv_forward_count', { podname: fresh!.name })).toBeGreaterThan(0);
      }, 60_000);
    },
  );
});

describe('a node name that is missing, or nobody’s', () => {
  const values = { enablePodLevel: true, enabledPlugin_linux: ['packetforward', 'packetparser'] };
  let world: World;
  beforeAll(async () => {
    world = await createWorld();
  });
  afterAll(async () => {
    await uninstall(); // what kubectl has set, Helm would leave
    await removeWorld();
  });
  /** What ten datagrams add on the client's node: packets of the node, and of the client by name. */
  const added = async () => {
    const { client, near } = world;
    const read = async () => {
      const samples = await scrape(client.node);
      return [
        sum(samples, 'forward_count'),
        sum(samples, 'adv_forward_count', { direction: 'egress', podname: client.name }),
      ] as const;
    };
    const before = await read();
    await echo(client, near.addresses[0]!, 9000, 10, 10);
    return { before, read };
  };
  const log = async () => kubectl('-n', NAMESPACE, 'logs', (await agents()).get(world.client.node)!.name);

  it('nobody’s: health, status and log say so and what to set; the node is counted, its pods have no names', async () => {
    await install({ ...values, agent: { config: { nodeName: 'nobody' } } });
    const says = /no node of the cluster has the name of this one[^]*nobody[^]*NODE_NAME/;
    await eventually(async () => {
      const { name } = (await agents()).get(world.client.node)!;
      expect(await kubectl('-n', NAMESPACE, 'exec', name, '--', 'retina', 'status')).toMatch(says);
      expect(await log()).toMatch(says);
    });
    const { before, read } = await added();
    await eventually(async () => expect((await read())[0]).toBeGreaterThan(before[0]));
    expect((await read())[1]).toBe(0);
  });

  it('missing: the host’s name serves, which is most often the node’s', async () => {
    await install(values);
    await kubectl('-n', NAMESPACE, 'set', 'env', 'daemonset/retina-agent', 'NODE_NAME-');
    await kubectl('-n', NAMESPACE, 'rollout', 'status', 'daemonset/retina-agent', '--timeout=90s');
    const hosts = await kubectl('get', 'nodes', '-o', 'jsonpath={.items[*].metadata.labels.kubernetes\\.io/hostname}');
    expect(hosts.split(' ').sort()).toEqual(await nodes());
    await eventually(async () => {
      const { before, read } = await added();
      await eventually(async () => expect((await read())[1]).toBeGreaterThanOrEqual(before[1] + 10), 4000);
    }, 60_000);
    expect(await log()).not.toContain('has the name of this one');
  });
});

describe.runIf(TOOL)('uninstall', () => {
  it('leaves no object, no program, no pin and no rule', async () => {
    await uninstall();
    const loose = await orphans();
    const were = await Promise.all((await nodes()).map(settings));
    await install({ plugins: { packetparser: {} }, enablePodLevel: true, crds: { keep: false }, priorityClass: { create: true } }); // prettier-ignore
    await uninstall();
    const kinds =
      'all,configmaps,serviceaccounts,clusterroles,clusterrolebindings,roles,rolebindings,crds,priorityclasses,' +
      'poddisruptionbudgets,networkpolicies,leases,secrets';
    await eventually(async () => {
      const left = await kubectl('get', kinds, '-A', '-l', 'app.kubernetes.io/instance=retina', '-o', 'name');
      expect(left.trim()).toBe('');
    });
    expect(await kubectl('get', 'crds', '-o', 'name')).not.toContain('retina.sh');
    await eventually(async () => expect(await orphans(loose)).toEqual([]));
    for (const node of await nodes()) {
      // The kernel's own two are always there.
      expect(await onNode(node, 'ls', '-I', '*.debug', '/sys/fs/bpf')).toBe('');
      expect(await rules(node)).toEqual([]);
    }
    expect(await Promise.all((await nodes()).map(settings))).toEqual(were);
  });
});
