import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { Host, loadConfig, parseAddress } from '@retina/core';
import * as kube from '@retina/kube';
import type { Logger } from '@retina/sdk';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ApiServer, whySkipped } from '../../kube/test/api-server.ts';
import { Cluster } from '../src/kubernetes/cluster.ts';

type Rules = { apiGroups: string[]; resources: string[]; verbs: string[] }[];
const RBAC = 'rbac.authorization.k8s.io';
const CLUSTER_ROLES = kube.resource<kube.KubeObject & { rules: Rules }>(
  RBAC,
  'v1',
  'clusterroles',
  'ClusterRole',
  false,
);
const CLUSTER_ROLE_BINDINGS = kube.resource<kube.KubeObject & { roleRef: object; subjects: object[] }>(
  RBAC, 'v1', 'clusterrolebindings', 'ClusterRoleBinding', false,
); // prettier-ignore
const READ = ['get', 'list', 'watch'];

describe.skipIf(whySkipped)(
  `an agent and its cluster (${whySkipped ?? 'real API server'})`,
  { timeout: 120_000 },
  () => {
    let server: ApiServer;
    let client: kube.KubeClient;
    const ending: (() => Promise<void> | void)[] = [];

    beforeAll(async () => {
      server = await ApiServer.start();
      client = server.client();
      await client.apply(kube.NAMESPACES, { metadata: { name: 'shop' } });
      for (const crd of kube.retinaCrds()) await client.apply(kube.CUSTOM_RESOURCE_DEFINITIONS, crd);
      for (const n of [1, 2]) {
        const metadata = { name: `node${n}`, labels: { 'topology.kubernetes.io/zone': `z${n}` } };
        await client.apply(kube.NODES, { metadata });
        const addresses = [{ type: 'InternalIP', address: `172.30.0.${n + 1}` }];
        await client.patch(kube.NODES, { name: `node${n}` }, { status: { addresses } }, { subresource: 'status' });
      }
    }, 120_000);
    afterEach(async () => {
      for (const end of ending.splice(0).reverse()) await end();
    });
    afterAll(() => server?.stop());

    /** A pod that runs, as a kubelet would report it. */
    async function pod(name: string, node: string, ip: string, more: Partial<kube.ObjectMeta> = {}): Promise<void> {
      const at = { namespace: 'shop', name };
      const spec = { nodeName: node, containers: [{ name: 'c', image: 'i' }], terminationGracePeriodSeconds: 0 };
      await client.create(kube.PODS, { metadata: { ...at, ...more }, spec });
      const status = { phase: 'Running', podIP: ip, podIPs: [{ ip }, { ip: `fd00::${ip.split('.').at(-1)}` }] };
      await client.patch(kube.PODS, at, { status }, { subresource: 'status' });
      ending.push(() => void client.delete(kube.PODS, at).catch(() => undefined));
    }

    /** An agent's host on node1 that follows the cluster. */
    async function agent(text: string, kubeconfig = server.kubeconfig('agent'), nodeName = 'node1', more = '') {
      const lines: string[] = [];
      const say = (message: string, fields?: object) => void lines.push(`${message} ${JSON.stringify(fields ?? {})}`);
      const logger: Logger = { debug: say, info: say, warn: say, error: say };
      const configOf = (keys: string, kube: string) =>
        loadConfig({
          text: `{nodeName: ${nodeName}, exporters: {}, plugins: {}, identity: {local: false}, kubernetes: {kubeconfig: ${kubeconfig}${kube}}, ${keys}}`,
          environment: {},
        }).config;
      const config = configOf(text, more);
      const host = await Host.start(config, { logger, loader: null });
      const cluster = new Cluster({ host, log: logger, version: '1', handoverMs: 2000 });
      /** Goes over to other keys, as a changed file makes an agent do. */
      const change = async (keys: string, kube = '') => {
        const next = configOf(keys, kube);
        await host.reconcile(next);
        cluster.configure(next);
      };
      ending.push(async () => {
        cluster[Symbol.dispose]();
        await host.stop();
      });
      cluster.configure(config);
      const name = (address: string) => host.endpoints.byAddress(parseAddress(address)!).name;
      const problems = () => host.health().problems.map(({ code, message }) => `${code} ${message}`);
      const at = (a: string) => host.endpoints.byAddress(parseAddress(a)!);
      const chosen = (a: string) => host.endpoints.observed(at(a).id);
      return { host, cluster, change, name, problems, lines, at, chosen };
    }

    const until = async (what: () => unknown) => {
      for (let tries = 0; !what(); tries++) {
        if (tries > 2000) throw new Error(`never came: ${what.toString()}`);
        await sleep(50);
      }
    };

    it('in local context knows its own pods, its node, services and the API server, and no other’s pods', async () => {
      await pod('own', 'node1', '10.0.1.1', { labels: { app: 'own' } });
      await pod('other', 'node2', '10.0.2.1');
      await client.apply(kube.SERVICES, {
        metadata: { namespace: 'shop', name: 'own' },
        spec: { selector: { app: 'own' }, ports: [{ port: 80 }], clusterIP: '10.96.7.7' },
      });
      const { at, cluster, problems, host } = await agent('enablePodLevel: true');
      await cluster.synced();
      expect(at('10.0.1.1')).toMatchObject({
        name: 'own',
        namespace: 'shop',
        zone: 'z1',
        node: 'node1',
        service: 'own',
      });
      expect(at('fd00::1').name).toBe('own');
      expect(['10.0.2.1', '172.30.0.2', '172.30.0.3', '10.96.7.7', '10.96.0.1'].map((a) => `${at(a).kind} ${at(a).name}`)).toEqual([
      'unknown ', 'node node1', 'unknown ', 'service own', 'api-server kubernetes-apiserver',
    ]); // prettier-ignore
      expect(problems()).toEqual([]);
      await client.delete(kube.PODS, { namespace: 'shop', name: 'own' });
      await until(() => host.endpoints.findAt(...words('10.0.1.1'), Date.now() + 1) === 0);
      expect(at('10.0.1.1').name).toBe('own'); // for flows that are late
    });

    it('in remote context knows every pod, by itself or by its RetinaEndpoint', async () => {
    await pod('far', 'node2', '10.0.2.2');
    const direct = await agent('enablePodLevel: true, remoteContext: true');
    await direct.cluster.synced();
    expect(direct.at('10.0.2.2')).toMatchObject({ name: 'far', zone: 'z2', node: 'node2' });

    const metadata = { namespace: 'shop', name: 'stand' };
    const spec = { podIP: '10.0.2.3', podIPs: ['10.0.2.3'], nodeIP: '172.30.0.3', ownerReferences: [{ kind: 'Deployment', name: 'd' }] };
    await client.apply(kube.RETINA_ENDPOINTS, { metadata, spec });
    ending.push(() => void client.delete(kube.RETINA_ENDPOINTS, metadata));
    const by = await agent('enablePodLevel: true, remoteContext: true, enableRetinaEndpoint: true');
    await by.cluster.synced();
    expect(by.at('10.0.2.3')).toMatchObject({ name: 'stand', zone: 'z2', workloads: [{ kind: 'Deployment', name: 'd' }] });
    expect(by.name('10.0.2.2')).toBe('');
  }); // prettier-ignore

    it('goes over to an address’s new owner, twenty times over', async () => {
      const { host, name, cluster } = await agent('enablePodLevel: true, remoteContext: true');
      await cluster.synced();
      for (let turn = 0; turn < 20; turn++) {
        await pod(`turn-${turn}`, 'node2', '10.0.9.9');
        await until(() => name('10.0.9.9') === `turn-${turn}`);
        await client.delete(kube.PODS, { namespace: 'shop', name: `turn-${turn}` });
        await until(() => host.endpoints.findAt(...words('10.0.9.9'), Date.now() + 1) === 0);
      }
    });

    it('chooses by annotation, and follows it on pods and namespaces', async () => {
      await pod('plain', 'node1', '10.0.1.3');
      await pod('marked', 'node1', '10.0.1.4', { annotations: { 'retina.sh': 'observe' } });
      const { cluster, chosen } = await agent('enablePodLevel: true, enableAnnotations: true');
      await cluster.synced();
      expect([chosen('10.0.1.3'), chosen('10.0.1.4')]).toEqual([false, true]);
      const annotate = (value: string | null) =>
        client.patch(kube.NAMESPACES, { name: 'shop' }, { metadata: { annotations: { 'retina.sh': value } } });
      await annotate('observe');
      await until(() => chosen('10.0.1.3'));
      await annotate(null);
      await until(() => !chosen('10.0.1.3'));
    });

    it('takes pods at the limits of what Kubernetes allows: a name of 253 characters, 5 000 labels, no address', async () => {
      const name = `${'a'.repeat(60)}.`.repeat(4) + 'b'.repeat(9);
      const labels = Object.fromEntries(
        Array.from({ length: 5000 }, (_, i) => [`${'x'.repeat(58)}${i}`, 'v'.repeat(63)]),
      );
      await pod(name, 'node1', '10.0.1.8', { labels: { ...labels, app: 'many' } });
      const without = { namespace: 'shop', name: 'without' };
      const spec = { nodeName: 'node1', containers: [{ name: 'c', image: 'i' }], terminationGracePeriodSeconds: 0 };
      await client.create(kube.PODS, { metadata: without, spec });
      ending.push(() => void client.delete(kube.PODS, without).catch(() => undefined));
      const selector = ', podSelector: {matchLabels: {app: many}}';
      const { at, cluster, problems, host } = await agent('enablePodLevel: true', undefined, 'node1', selector);
      await cluster.synced();
      expect(at('10.0.1.8')).toMatchObject({ name, namespace: 'shop' });
      expect(host.endpoints.observed(at('10.0.1.8').id)).toBe(true);
      expect(problems()).toEqual([]);
    });

    it('says what a missing right costs; the rest goes on, and so does it when the right is granted', async () => {
      const rules = (extra: string[]): Rules => [
        {
          apiGroups: ['', 'retina.sh'],
          resources: ['nodes', 'services', 'metricsconfigurations', ...extra],
          verbs: READ,
        },
        { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: READ },
      ];
      const grant = (extra: string[]) =>
        client.apply(CLUSTER_ROLES, { metadata: { name: 'reader' }, rules: rules(extra) });
      await grant([]);
      await client.apply(CLUSTER_ROLE_BINDINGS, {
        metadata: { name: 'reader' },
        roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name: 'reader' },
        subjects: [{ kind: 'User', name: 'reader', apiGroup: RBAC }],
      });
      await pod('seen', 'node1', '10.0.1.5');
      const user = server.certificate('reader', 'none');
      const { problems, name, lines } = await agent('enablePodLevel: true', server.kubeconfig('reader', user));
      await until(() => problems().length > 0 && name('172.30.0.2') === 'node1');
      expect(problems()).toEqual([expect.stringMatching(/^RETINA_KUBE_REFUSED pods of the cluster are not followed: .*Forbidden.*next: grant list and watch on pods/)]); // prettier-ignore
      expect(lines.filter((line) => line.startsWith('the cluster is not followed'))).toHaveLength(1);
      await grant(['pods']);
      await until(() => name('10.0.1.5') === 'seen' && problems().length === 0);
    });

    it('says that its certificate has ended, and goes on by the next one', async () => {
      await pod('named', 'node1', '10.0.1.9');
      const user = server.endedCertificate('aged', 'system:masters');
      const { problems, name, host } = await agent('enablePodLevel: true', server.kubeconfig('aged', user));
      await until(() => problems().length > 0);
      for (const problem of problems()) {
        expect(problem).toMatch(
          /^RETINA_KUBE_REFUSED .* are not followed: .*401 .*token or certificate .* has not ended/,
        );
      }
      expect([host.health().live, name('10.0.1.9')]).toEqual([true, '']);
      server.certificate('aged', 'system:masters'); // into the same files
      await until(() => problems().length === 0 && name('10.0.1.9') === 'named');
    });

    it('says that its node’s name is nobody’s', async () => {
      const { problems, cluster } = await agent('enablePodLevel: true', undefined, 'nobody');
      await cluster.synced();
      expect(problems()).toEqual([
        expect.stringContaining('no node of the cluster has the name of this one; found: nobody'),
      ]);
    });

    it('keeps names while the API server is down, says so, and catches up without a restart', async () => {
      await pod('before', 'node1', '10.0.1.6');
      const { problems, name, cluster, host } = await agent('enablePodLevel: true');
      await cluster.synced();
      const up = () => {
        const family = [...host.metrics.families()].find(({ name: one }) => one === 'retina_kubernetes_watch_up')!;
        return Array.from({ length: family.size }, (_, row) => family.value(row));
      };
      await until(() => up().every((value) => value === 1));
      await server.kill();
      await until(() => up().every((value) => value === 0));
      expect(problems()).toEqual([expect.stringMatching(/^RETINA_KUBE_UNREACHABLE the API server does not answer/)]);
      expect(name('10.0.1.6')).toBe('before');
      await server.up();
      await client.delete(kube.PODS, { namespace: 'shop', name: 'before' });
      await pod('after', 'node1', '10.0.1.7');
      await until(() => problems().length === 0 && name('10.0.1.7') === 'after');
      await until(() => host.endpoints.findAt(...words('10.0.1.6'), Date.now() + 1) === 0);
    });

    it('is read anew when its keys change, while every name stays, under the same id', async () => {
      await pod('plain', 'node1', '10.0.1.11', { labels: { app: 'plain' } });
      await pod('marked', 'node1', '10.0.1.12', { annotations: { 'retina.sh': 'observe' } });
      const { host, cluster, change, at, chosen, problems } = await agent('enablePodLevel: true');
      await cluster.synced();
      const all = ['10.0.1.11', '10.0.1.12', 'fd00::11', '172.30.0.2', '10.96.0.1'];
      const look = () => all.map((address) => `${at(address).id} ${at(address).name}`).join();
      const seen = new Set([look()]);
      let looking = true;
      const looks = (async () => {
        for (; looking; await turn()) seen.add(look());
      })();
      const selecting = () => host.flows.selection.on;
      expect([selecting(), chosen('10.0.1.11'), chosen('10.0.1.12')]).toEqual([false, false, false]);
      await change('enablePodLevel: true, enableAnnotations: true');
      await cluster.synced();
      expect([selecting(), chosen('10.0.1.11'), chosen('10.0.1.12')]).toEqual([true, false, true]);
      await change('enablePodLevel: true, remoteContext: true', ', podSelector: {matchLabels: {app: plain}}');
      await cluster.synced();
      expect([selecting(), chosen('10.0.1.11'), chosen('10.0.1.12')]).toEqual([true, true, false]);
      await change('enablePodLevel: true');
      await cluster.synced();
      looking = false;
      await looks;
      expect([selecting(), chosen('10.0.1.11'), problems()]).toEqual([false, false, []]);
      expect([...seen]).toHaveLength(1);
      // what has gone meanwhile is not kept
      await client.delete(kube.PODS, { namespace: 'shop', name: 'plain' });
      await change('enablePodLevel: true, enableAnnotations: true');
      await cluster.synced();
      await until(() => host.endpoints.findAt(...words('10.0.1.11'), Date.now() + 1) === 0);
      expect(at('10.0.1.12').name).toBe('marked');
    });

    it('keeps names when keys change while the API server is down, and goes by the new ones when it is back', async () => {
      await pod('kept', 'node1', '10.0.1.13', { annotations: { 'retina.sh': 'observe' } });
      const { cluster, change, name, chosen, problems, lines } = await agent('enablePodLevel: true');
      await cluster.synced();
      await server.kill();
      await change('enablePodLevel: true, enableAnnotations: true');
      await until(() => lines.some((line) => line.startsWith('the cluster does not answer the new configuration')));
      await until(() => lines.some((line) => line.startsWith('the cluster is followed as the new')));
      expect([name('10.0.1.13'), name('172.30.0.2'), problems().length]).toEqual(['kept', 'node1', 1]);
      await server.up();
      await until(() => chosen('10.0.1.13') && problems().length === 0);
      expect(name('10.0.1.13')).toBe('kept');
    });

    it('goes by MetricsConfiguration objects from the moment they change, and back to its own when they are gone', async () => {
      const { host, cluster, lines } = await agent('enablePodLevel: true');
      await cluster.synced();
      const inForce = () => lines.findLast((line) => line.startsWith('MetricsConfiguration in force'));
      const put = (name: string, metricName: string) =>
        client.apply(kube.METRICS_CONFIGURATIONS, {
          metadata: { name },
          spec: { contextOptions: [{ metricName, sourceLabels: ['ip'] }], namespaces: { include: ['shop'] } },
        });
      await put('a', 'drop_count');
      await until(() => inForce()?.includes('"a"'));
      await sleep(1100); // ages are in seconds
      await put('b', 'forward_count');
      await until(() => lines.some((line) => line.startsWith('more than one')));
      expect(inForce()).toContain('"a"');
      for (const name of ['a', 'b']) {
        await until(() => inForce()?.includes(`"${name}"`));
        await client.delete(kube.METRICS_CONFIGURATIONS, { name });
      }
      await until(() => inForce()?.includes('"none"'));
      expect(host.health().problems).toEqual([]);
    });
  },
);

/** An address as the four words that the table is asked by. */
function words(address: string): [number, number, number, number] {
  const view = new DataView(parseAddress(address)!.buffer);
  return [0, 4, 8, 12].map((at) => view.getUint32(at, true)) as [number, number, number, number];
}
