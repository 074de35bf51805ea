import { writeFileSync } from 'node:fs';
import { CUSTOM_RESOURCE_DEFINITIONS, type KubeClient, type KubeObject, LEASES, METRICS_CONFIGURATIONS, type MetricsConfigurationSpec, resource, RETINA_ENDPOINTS, retinaCrds } from '@retina/kube'; // prettier-ignore
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ApiServer, whySkipped } from '../../kube/test/api-server.ts';
import { endpoints, grant, makePod, metrics, operator, removeAll, removePod, replica } from './support.ts';

interface Role extends KubeObject {
  readonly rules: readonly { readonly resources: readonly string[] }[];
}
const REMOTE = 'remoteContext: true\n';
const SOON = { timeout: 40_000, interval: 50 };
const good: MetricsConfigurationSpec = { contextOptions: [{ metricName: 'drop_count', sourceLabels: ['ip'] }], namespaces: {} }; // prettier-ignore

describe.skipIf(whySkipped)(
  `an operator with only its own rights (${whySkipped ?? 'real API server'})`,
  { timeout: 120_000 },
  () => {
    let server: ApiServer;
    let admin: KubeClient;
    let kubeconfig: string;

    beforeAll(async () => {
      server = await ApiServer.start();
      admin = server.client();
      kubeconfig = await grant(server, admin, REMOTE);
    }, 120_000);
    afterAll(() => server?.stop());
    afterEach(() => removeAll(admin));

    const ready = (one: { readonly status: { ready: boolean; leading: boolean } }) =>
      expect.poll(() => one.status, SOON).toMatchObject({ leading: true, ready: true });
    const says = (name: string) => admin.get(METRICS_CONFIGURATIONS, { name }).then((found) => found?.status);

    it('waits for definitions that others install, and says so', async () => {
      await using waiting = await operator(kubeconfig, `${REMOTE}installCRDs: false\n`);
      const probe = () => fetch(`http://127.0.0.1:${waiting.probePort}/readyz`);
      await expect.poll(async () => (await probe()).text(), SOON).toContain('metricsconfigurations.retina.sh');
      expect((await probe()).status).toBe(503);
      expect(await admin.get(CUSTOM_RESOURCE_DEFINITIONS, { name: 'captures.retina.sh' })).toBeUndefined();
    });

    it('installs the definitions, and upgrades older ones', async () => {
      const [definition] = retinaCrds().filter(({ metadata }) => metadata.name === 'metricsconfigurations.retina.sh');
      const [version] = definition!.spec.versions;
      const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } };
      const older = { ...definition!, spec: { ...definition!.spec, versions: [{ name: version!.name, served: true, storage: true, schema }] } }; // prettier-ignore
      await admin.create(CUSTOM_RESOURCE_DEFINITIONS, older);
      await using one = await operator(kubeconfig, REMOTE);
      await ready(one);
      expect(one.log.lines.filter(({ message }) => message.includes('definition')).map(({ message }) => message.split(' ', 1)[0])).toEqual(['installed', 'upgraded', 'installed']); // prettier-ignore
      const upgraded = await admin.get(CUSTOM_RESOURCE_DEFINITIONS, { name: definition!.metadata.name! });
      expect(upgraded?.spec.versions[0]?.schema?.openAPIV3Schema).toHaveProperty('properties.spec.properties.contextOptions'); // prettier-ignore
    });

    it('keeps one RetinaEndpoint for each pod with an address, whatever happens', async () => {
      await makePod(admin, 'before');
      const orphan = { metadata: { namespace: 'default', name: 'orphan' }, spec: { podIP: '10.0.0.9' } };
      await admin.create(RETINA_ENDPOINTS, orphan);
      await using one = await operator(kubeconfig, REMOTE);
      await ready(one);
      await makePod(admin, 'web', { ip: '10.244.1.8' });
      await makePod(admin, 'pending', { ip: '' });
      await makePod(admin, 'host', { hostNetwork: true });
      const names = async () => [...(await endpoints(admin)).keys()];
      await expect.poll(names, SOON).toEqual(['before', 'web']);
      expect((await endpoints(admin)).get('web')).toMatchObject({ podIP: '10.244.1.8', podIPs: ['10.244.1.8', 'fd00::7'], nodeIP: '172.30.0.2', labels: { app: 'web' } }); // prettier-ignore

      // Somebody else's hands, then a pod of the same name with another address.
      await admin.patch(RETINA_ENDPOINTS, { namespace: 'default', name: 'web' }, { spec: { podIP: '6.6.6.6' } });
      await expect.poll(async () => (await endpoints(admin)).get('web')?.podIP, SOON).toBe('10.244.1.8');
      await admin.delete(RETINA_ENDPOINTS, { namespace: 'default', name: 'before' });
      await expect.poll(names, SOON).toEqual(['before', 'web']);
      await removePod(admin, 'web');
      const { metadata } = await makePod(admin, 'web', { ip: '10.244.1.9', labels: { app: 'next' } });
      await expect.poll(async () => (await endpoints(admin)).get('web'), SOON).toMatchObject({ podIP: '10.244.1.9', labels: { app: 'next' } }); // prettier-ignore
      const stored = await admin.get(RETINA_ENDPOINTS, { namespace: 'default', name: 'web' });
      expect(stored?.metadata.ownerReferences).toMatchObject([{ kind: 'Pod', name: 'web', uid: metadata.uid }]);

      for (const name of ['before', 'web', 'pending', 'host']) await removePod(admin, name);
      await expect.poll(names, SOON).toEqual([]);
      expect([...(await metrics(one.metricsPort)).entries()].filter(([key]) => key.includes('write_failures'))).toEqual(
        [],
      );
    });

    it('writes nothing twice: as many requests as changes', async () => {
      await using one = await operator(kubeconfig, REMOTE);
      await ready(one);
      const names = Array.from({ length: 60 }, (_, i) => `many-${i}`);
      await Promise.all(names.map((name, i) => makePod(admin, name, { ip: `10.244.2.${i}` })));
      await expect.poll(async () => (await endpoints(admin)).size, SOON).toBe(60);
      const label = { metadata: { labels: { app: 'changed' } } };
      await Promise.all(names.map((name) => admin.patch(resource('', 'v1', 'pods', 'Pod'), { namespace: 'default', name }, label))); // prettier-ignore
      await expect.poll(async () => [...(await endpoints(admin)).values()].every(({ labels }) => JSON.stringify(labels) === '{"app":"changed"}'), SOON).toBe(true); // prettier-ignore
      await Promise.all(names.map((name) => removePod(admin, name)));
      await expect.poll(async () => (await endpoints(admin)).size, SOON).toBe(0);
      const after = await metrics(one.metricsPort);
      const writes = ['create', 'update', 'delete'].map((verb) => after.get(`retina_operator_writes_total{verb="${verb}"}`)); // prettier-ignore
      expect(writes).toEqual([60, 60, 60]);
      expect(after.get('retina_operator_queue_length')).toBe(0);
    });

    it('removes the RetinaEndpoints when remote context is off', async () => {
      await makePod(admin, 'left');
      {
        await using one = await operator(kubeconfig, REMOTE);
        await ready(one);
        await expect.poll(async () => (await endpoints(admin)).size, SOON).toBe(1);
      }
      const narrower = await grant(server, admin, 'remoteContext: false\n');
      {
        await using off = await operator(narrower, 'remoteContext: false\n');
        await ready(off);
        await expect.poll(async () => (await endpoints(admin)).size, SOON).toBe(0);
      }
      await grant(server, admin, REMOTE);
    });

    it('says which MetricsConfiguration is in force, and why another is not', async () => {
      await using one = await operator(kubeconfig, REMOTE);
      await ready(one);
      const draft = (name: string, spec: MetricsConfigurationSpec) => ({ metadata: { name }, spec });
      await admin.create(METRICS_CONFIGURATIONS, draft('first', good));
      await expect.poll(() => says('first'), SOON).toMatchObject({ state: 'Accepted', lastKnownSpec: good, conditions: [{ type: 'Accepted', status: 'True', observedGeneration: 1 }] }); // prettier-ignore
      await new Promise((resolve) => setTimeout(resolve, 1100)); // creation times are whole seconds
      await admin.create(METRICS_CONFIGURATIONS, draft('another', good));
      await expect.poll(() => says('another'), SOON).toMatchObject({ state: 'Errored', conditions: [{ status: 'False', reason: 'NotTheOldest' }] }); // prettier-ignore
      expect((await says('another'))?.reason).toContain('first is older');

      const twice = { contextOptions: [{ metricName: 'drop_count' }, { metricName: 'DROP_COUNT' }] };
      await admin.patch(METRICS_CONFIGURATIONS, { name: 'first' }, { spec: twice });
      await expect.poll(() => says('first'), SOON).toMatchObject({ state: 'Errored', lastKnownSpec: good, conditions: [{ status: 'False', reason: 'Invalid', observedGeneration: 2 }] }); // prettier-ignore
      await admin.delete(METRICS_CONFIGURATIONS, { name: 'first' });
      await expect.poll(() => says('another'), SOON).toMatchObject({ state: 'Accepted', lastKnownSpec: good });
      await admin.delete(METRICS_CONFIGURATIONS, { name: 'another' });
    });

    it('goes on after the API server was away, and gives its lease up when it ends', async () => {
      const fast = `${REMOTE}leaderElection: {leaseDuration: 3s, renewDeadline: 2s, retryPeriod: 500ms}\n`;
      const lease = () => admin.get(LEASES, { namespace: 'default', name: '16937e39.retina.sh' });
      {
        await using one = await operator(kubeconfig, fast);
        await ready(one);
        expect((await lease())?.spec?.holderIdentity).toBe(one.identity);
        await makePod(admin, 'away');
        await expect.poll(async () => (await endpoints(admin)).size, SOON).toBe(1);
        await server.kill();
        await expect.poll(() => one.status.leading, SOON).toBe(false); // nobody can tell it that it still is
        await server.up();
        await makePod(admin, 'back');
        await expect.poll(async () => [...(await endpoints(admin)).keys()], SOON).toEqual(['away', 'back']);
        expect((await metrics(one.metricsPort)).get('retina_operator_writes_total{verb="create"}')).toBe(2);
      }
      expect((await lease())?.spec?.holderIdentity ?? '').toBe('');
    });

    it('hands over to the other replica: at once when it ends, within 20 s when it is killed', async () => {
      const file = server.file('operator.yaml');
      writeFileSync(file, REMOTE); // with the timings it ships with
      await using first = replica(kubeconfig, file);
      await first.output(/"msg":"everything is read"/);
      await using second = replica(kubeconfig, file);
      await second.output(/"me":false/);
      await makePod(admin, 'handed');
      await expect.poll(async () => (await endpoints(admin)).size, SOON).toBeGreaterThan(0);
      expect(second.stdout).not.toContain('"msg":"leading"');
      first.kill('SIGKILL');
      await second.output(/"msg":"leading"/, 20_000);

      await using third = replica(kubeconfig, file);
      await third.output(/"me":false/);
      second.kill('SIGTERM');
      expect(await second.ended).toBe(0);
      await third.output(/"msg":"leading"/, 6000);
      await removePod(admin, 'handed');
      await expect.poll(async () => (await endpoints(admin)).has('handed'), SOON).toBe(false);
    }, 90_000);

    it('says which right it lacks, and goes on once it has it', async () => {
      const role = { name: 'retina-operator' };
      const roles = resource<Role>('rbac.authorization.k8s.io', 'v1', 'clusterroles', 'ClusterRole', false);
      const whole = (await admin.get(roles, role))!.rules;
      await admin.patch(roles, role, { rules: whole.filter(({ resources }) => !resources.includes('pods')) });
      const says = async ({ probePort }: { readonly probePort: number }) =>
        (await fetch(`http://127.0.0.1:${probePort}/readyz`)).text();
      {
        await using none = await operator(
          server.kubeconfig('nobody', { token: 'administrator', as: 'nobody' }),
          REMOTE,
        );
        await expect.poll(() => says(none), SOON).toContain('cannot get resource "leases"');
      }
      await using one = await operator(kubeconfig, REMOTE);
      await expect.poll(() => says(one), SOON).toContain('cannot list resource "pods"');
      await admin.patch(roles, role, { rules: whole });
      await ready(one);
    });

    it('takes pods at the limits of what Kubernetes allows', async () => {
      await using one = await operator(kubeconfig, REMOTE);
      await ready(one);
      const name = `${'a'.repeat(60)}.`.repeat(4) + 'b'.repeat(9); // 253 characters
      const labels = Object.fromEntries(
        Array.from({ length: 5000 }, (_, i) => [`${'x'.repeat(58)}${i}`, 'v'.repeat(63)]),
      );
      await makePod(admin, name, { labels });
      await expect.poll(async () => (await endpoints(admin)).get(name)?.labels, SOON).toEqual(labels);
    });

    it('needs no secrets, and can read none', async () => {
      const own = server.client({ kubeconfig });
      const secrets = resource('', 'v1', 'secrets', 'Secret');
      for (const verb of ['get', 'list', 'create']) expect(await own.can(verb, secrets)).toBe(false);
      for (const verb of ['create', 'patch', 'delete']) expect(await own.can(verb, resource('', 'v1', 'pods', 'Pod'))).toBe(false); // prettier-ignore
      expect(await own.can('delete', CUSTOM_RESOURCE_DEFINITIONS)).toBe(false);
    });
  },
);
