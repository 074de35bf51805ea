import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { clusterRules, leaseRules } from '../../packages/operator/src/rights.ts';
import { CHART, helm, kubectl } from '../src/cluster.ts';
import { run } from '../src/run.ts';

interface Manifest {
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec?: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- of any kind
  readonly rules?: readonly unknown[];
  readonly data?: Readonly<Record<string, string>>;
}

const VERSION = ['--kube-version', '1.35.0'];

/** What the chart renders with these values. Rejects with Helm's message. */
async function render(values: object = {}): Promise<readonly Manifest[]> {
  const text = await helm(['template', 'retina', CHART, '-n', 'default', ...VERSION, '-f', '-'], {
    input: JSON.stringify(values),
  });
  return parseAllDocuments(text).flatMap((document) => (document.toJS() as Manifest | null) ?? []);
}

async function daemonSet(values: object = {}) {
  const found = (await render(values)).find(({ kind }) => kind === 'DaemonSet')!;
  const [container] = found.spec.template.spec.containers;
  return { pod: found.spec.template.spec, container, added: container.securityContext.capabilities.add ?? [] };
}

async function refusal(values: object): Promise<string> {
  return render(values).then(
    () => 'accepted',
    (error: Error) => error.message,
  );
}

/** Everything that can be switched on. */
const EVERYTHING = {
  os: { windows: true },
  enablePodLevel: true,
  remoteContext: true,
  operator: { enabled: true, replicas: 2 },
  priorityClass: { create: true },
  networkPolicy: { enabled: true },
  metrics: { podMonitor: { enabled: true }, prometheusRule: { enabled: true } },
  dashboards: { enabled: true },
  openshift: { scc: { create: true } },
  plugins: { packetparser: {}, ciliumeventobserver: {}, infiniband: {} },
};

describe('the chart', () => {
  it('passes helm lint with nothing and with everything', async () => {
    expect(await helm(['lint', CHART, ...VERSION])).toContain('0 chart(s) failed');
    const all = await helm(['lint', CHART, ...VERSION, '-f', '-'], { input: JSON.stringify(EVERYTHING) });
    expect(all).toContain('0 chart(s) failed');
  });

  it('grants what the enabled plugins need, and not more', async () => {
    expect((await daemonSet()).added).toEqual(['BPF', 'NET_ADMIN', 'PERFMON']);
    expect((await daemonSet({ enabledPlugin_linux: ['linuxutil'] })).added).toEqual([]);
    expect((await daemonSet({ enabledPlugin_linux: '[dropreason]' })).added).toEqual(['BPF', 'PERFMON']);
    const older = { enabledPlugin_linux: ['conntrack'], securityContext: { capabilities: { add: ['SYS_RESOURCE'] } } };
    expect((await daemonSet(older)).added).toEqual(['NET_ADMIN', 'SYS_RESOURCE']);
  });

  it('mounts what the enabled plugins need, read-only, and never the processes of the node', async () => {
    const { pod, container } = await daemonSet({ plugins: { ciliumeventobserver: {} } });
    const mount = container.volumeMounts.find(
      ({ mountPath }: { mountPath: string }) => mountPath === '/var/run/cilium',
    );
    expect(mount).toMatchObject({ readOnly: true });
    expect(pod.hostPID).toBeUndefined();
    const plain = await daemonSet();
    expect(plain.container.volumeMounts.map(({ mountPath }: { mountPath: string }) => mountPath)).toEqual([
      '/retina/config', '/run/retina', '/tmp', '/run/netns',
    ]); // prettier-ignore
  });

  it('takes needs of plugins that are not its own from pluginNeeds, and says so where they lack', async () => {
    const plugins = { '@acme/retina-plugin-x': { level: 3 } };
    expect(await refusal({ plugins })).toMatch(
      /plugin "@acme\/retina-plugin-x" is none of the chart's own[^]*pluginNeeds/,
    );
    const pluginNeeds = {
      '@acme/retina-plugin-x': { capabilities: ['SYS_PTRACE'], mounts: ['/opt/x'], hostPid: true },
    };
    const { pod, added } = await daemonSet({ plugins, pluginNeeds, enabledPlugin_linux: [] });
    expect(added).toEqual(['SYS_PTRACE']);
    expect(pod.hostPID).toBe(true);
    expect(JSON.stringify(pod.volumes)).toContain('"path":"/opt/x"');
  });

  it.each([
    ['a typo', { enablePodLvel: true }, /enablePodLvel/],
    ['a typo further down', { image: { respository: 'x' } }, /respository/],
    ['an unknown plugin', { enabledPlugin_linux: ['dropreson'] }, /enabledPlugin_linux/],
    ['an unknown plugin in text', { enabledPlugin_linux: '[dropreson]' }, /"dropreson" is none of the chart's own/],
    ['an unknown option of a plugin', { plugins: { dns: { intervalms: 1 } } }, /intervalms/],
    ['a wrong value', { dataAggregationLevel: 'middle' }, /dataAggregationLevel/],
    ['a wrong duration', { conntrackReportInterval: '30' }, /conntrackReportInterval/],
    ['a key of the agent that it does not have', { agent: { config: { flws: {} } } }, /flws/],
    ['a capability with its prefix', { pluginNeeds: { x: { capabilities: ['CAP_BPF'] } } }, /CAP_|not/],
    [
      'two monitors',
      { metrics: { podMonitor: { enabled: true }, serviceMonitor: { enabled: true } } },
      /scrape every agent twice/,
    ],
  ])('refuses %s', async (_, values, message) => {
    expect(await refusal(values)).toMatch(message);
  });

  it('takes a values file of the original chart', async () => {
    const values = {
      os: { linux: true, windows: false },
      image: { repository: 'x/retina-agent', initRepository: 'x/retina-init', pullPolicy: 'Always', tag: 'v1.2.6' },
      enableTelemetry: false,
      enabledPlugin_linux: '["dropreason","packetforward","linuxutil","dns"]',
      enabledPlugin_win: '["hnsstats"]',
      metricsInterval: '10s',
      metricsIntervalDuration: '10s',
      packetParserRingBuffer: 'enabled',
      packetParserRingBufferSize: 8388608,
      filterMapMaxEntries: 255,
      azure: { appinsights: { instrumentation_key: 'app-insights-instrumentation-key' } },
      daemonset: {
        container: {
          retina: {
            command: ['/retina/controller'],
            args: ['--config', '/retina/config/config.yaml'],
            healthProbeBindAddress: ':18081',
            metricsBindAddress: ':18080',
            ports: { containerPort: 10093 },
          },
        },
      },
      volumeMounts: { debug: '/sys/kernel/debug', trace: '/sys/kernel/tracing', bpf: '/sys/fs/bpf' },
      securityContext: { privileged: false, capabilities: { add: ['SYS_ADMIN', 'NET_ADMIN', 'IPC_LOCK'] } },
      service: { type: 'ClusterIP', port: 10093, targetPort: 10093, name: 'retina' },
      serviceAccount: { annotations: {}, name: 'retina-agent' },
      resources: { limits: { memory: '300Mi', cpu: '500m' } },
      metrics: { podMonitor: { enabled: false, interval: '30s' } },
    };
    expect((await render(values)).map(({ kind }) => kind)).toContain('DaemonSet');
  });

  it('renders what the API server accepts', async () => {
    const foreign = new Set(['PodMonitor', 'PrometheusRule', 'SecurityContextConstraints']);
    const all = await render({ ...EVERYTHING, rbac: { create: true } });
    const known = all.filter(({ kind }) => !foreign.has(kind));
    const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: known });
    const args = ['apply', '--dry-run=server', '--validate=strict', '-f', '-'];
    const answer = await run('kubectl', args, { input: list });
    expect(answer.trim().split('\n')).toHaveLength(known.length);
    expect([...new Set(all.map(({ kind }) => kind))].sort()).toEqual(
      expect.arrayContaining([
        'ClusterRole', 'ClusterRoleBinding', 'ConfigMap', 'DaemonSet', 'Deployment', 'NetworkPolicy', 'Pod',
        'PodDisruptionBudget', 'PodMonitor', 'PriorityClass', 'PrometheusRule', 'Role', 'RoleBinding',
        'SecurityContextConstraints', 'Service', 'ServiceAccount',
      ]), // prettier-ignore
    );
    expect(await kubectl('api-resources', '--api-group=apps')).toContain('daemonsets');
  });

  it.each([
    { remoteContext: false, installCRDs: true, enableRetinaEndpoint: true },
    { remoteContext: true, installCRDs: false, enableRetinaEndpoint: true },
    { remoteContext: true, installCRDs: true, enableRetinaEndpoint: false },
  ])('gives the operator the rights it says it uses: %j', async ({ remoteContext, ...operator }) => {
    const all = await render({ remoteContext, operator: { enabled: true, ...operator } });
    const rules = (kind: string) =>
      all.find((one) => one.kind === kind && one.metadata.name === 'retina-operator')?.rules;
    expect(rules('ClusterRole')).toEqual(clusterRules({ remoteContext, ...operator }));
    expect(rules('Role')).toEqual(leaseRules('16937e39.retina.sh'));
  });

  it('tells in its notes what comes next', async () => {
    const args = ['install', 'notes', CHART, '-n', 'default', '--dry-run=server', '--set', 'remoteContext=true'];
    const notes = await helm(args);
    expect(notes).toMatch(/observes with: dns, dropreason, linuxutil, packetforward/);
    expect(notes).toMatch(/Agents may: BPF, NET_ADMIN, PERFMON/);
    expect(notes).toMatch(/operator\.enabled=true/);
  });
});
