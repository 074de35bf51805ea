import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { apply, CHART, helm, kubectl } from '../src/cluster.ts';
import { MONITORS, monitorDefinitions } from '../src/monitors.ts';
import { eventually } from '../src/run.ts';

const RELABELING = { action: 'drop', sourceLabels: ['__name__'], regex: 'go_.*' };

/** `helm install` as far as the API server: what it would store, or why it would not. */
const dryRun = (values: object) =>
  helm(['install', 'monitors', CHART, '-n', 'default', '--dry-run=server', '-f', '-'], { input: JSON.stringify(values) }); // prettier-ignore

/** What the chart makes for the Prometheus operator, applied by the API server's dry run, which drops and allows nothing. */
async function monitors(values: object): Promise<string[]> {
  const input = JSON.stringify(values);
  const args = ['template', 'monitors', CHART, '-n', 'default', '--kube-version', '1.35.0'];
  const text = await helm([...args, '--show-only', 'templates/monitoring/monitors.yaml', '-f', '-'], { input });
  return (await apply(text, '--dry-run=server', '--validate=strict')).trim().split('\n').sort();
}

const rule = { prometheusRule: { enabled: true, additionalLabels: { release: 'prometheus' } } };
const operator = { enabled: true };

describe('monitors and rules, as the API server takes them', () => {
  const before = () => kubectl('get', 'crds', '-o', 'name');

  beforeAll(async () => {
    await kubectl('delete', 'crd', ...MONITORS, '--ignore-not-found', '--wait');
    expect(await before()).not.toContain('monitoring.coreos.com');
  });
  afterAll(() => kubectl('delete', 'crd', ...MONITORS, '--ignore-not-found', '--wait'));

  it('without the Prometheus operator: the install is refused and names what is missing; by default it is not', async () => {
    await expect(dryRun({ metrics: { podMonitor: { enabled: true } } })).rejects.toThrow(/no matches for kind "PodMonitor"/); // prettier-ignore
    await expect(dryRun({ metrics: rule })).rejects.toThrow(/no matches for kind "PrometheusRule"/);
    expect(await dryRun({})).toContain('DaemonSet');
  });

  it('with it: one for agents and one for the operator, of either kind, and all rules', async () => {
    for (const one of monitorDefinitions()) await apply(JSON.stringify(one));
    await kubectl('wait', '--for=condition=Established', ...MONITORS.map((name) => `crd/${name}`), '--timeout=30s');
    const more = { enabled: true, additionalLabels: { release: 'x' }, relabelings: [RELABELING], metricRelabelings: [RELABELING], interval: '15s', scrapeTimeout: '10s', tlsConfig: { insecureSkipVerify: true } }; // prettier-ignore
    await eventually(async () =>
      expect(await monitors({ operator, metrics: { podMonitor: more, ...rule } })).toEqual([
        expect.stringContaining('podmonitor.monitoring.coreos.com/retina-agent created'),
        expect.stringContaining('podmonitor.monitoring.coreos.com/retina-operator created'),
        expect.stringContaining('prometheusrule.monitoring.coreos.com/retina created'),
      ]),
    );
    const services = await monitors({ operator, metrics: { serviceMonitor: more } });
    expect(services[0]).toMatch(/^servicemonitor.monitoring.coreos.com\/retina-agent created/);
    expect(await dryRun({ operator, metrics: { podMonitor: more, ...rule } })).toContain('kind: PodMonitor');
  });

  it('a wrong value is refused by the definition, with its place', async () => {
    const wrong = { podMonitor: { enabled: true, interval: '15 s' } };
    await expect(monitors({ metrics: wrong })).rejects.toThrow(/interval/);
  });

  it('a monitor selects what runs: the agents’ pods, by a port of that name', async () => {
    interface One {
      readonly kind: string;
      readonly spec: any; // eslint-disable-line @typescript-eslint/no-explicit-any -- of either kind
    }
    const input = JSON.stringify({ metrics: { podMonitor: { enabled: true } } });
    const text = await helm(['template', 'monitors', CHART, '--kube-version', '1.35.0', '-f', '-'], { input });
    const all = parseAllDocuments(text).flatMap((document) => (document.toJS() as One | null) ?? []);
    const [monitor, agents] = ['PodMonitor', 'DaemonSet'].map((kind) => all.find((one) => one.kind === kind)!.spec);
    const { metadata, spec } = agents.template;
    expect(metadata.labels).toMatchObject(monitor.selector.matchLabels);
    const ports = (spec.containers[0].ports as { name: string }[]).map(({ name }) => name);
    expect(ports).toContain(monitor.podMetricsEndpoints[0].port);
  });
});
