import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, parseDocument } from 'yaml';
import {
  agents,
  apply,
  CHART,
  helm,
  install,
  json,
  kubectl,
  NAMESPACE,
  nodes,
  TOOL,
  uninstall,
} from '../src/cluster.ts';
import { orphans } from '../src/left.ts';
import { scrape, select, sum } from '../src/metrics.ts';
import { eventually } from '../src/run.ts';
import { createWorld, echo, removeWorld, type World } from '../src/world.ts';

const OLDER = '0.0.9';
const CRD = 'metricsconfigurations.retina.sh';
const { version: NEWER } = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as { version: string };

/** What of a definition this test looks at. */
interface Definition {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: {
    readonly names: { readonly shortNames?: readonly string[] };
    readonly versions: readonly { readonly schema: object }[];
  };
}

/** A chart as it may have been: another version, poorer definitions, other defaults, and an object that is no more. */
async function olderChart(folder: string): Promise<string> {
  const chart = join(folder, 'retina');
  cpSync(CHART, chart, { recursive: true });
  const edit = (file: string, change: (text: string) => string) =>
    writeFileSync(join(chart, file), change(readFileSync(join(chart, file), 'utf8')));
  edit('Chart.yaml', (text) => text.replace(/^version: .*$/m, `version: ${OLDER}`).replace(/^appVersion: .*$/m, `appVersion: ${OLDER}`)); // prettier-ignore
  edit('values.yaml', (text) => text.replace(/^logLevel: .*$/m, 'logLevel: debug'));
  edit(`files/crds/retina.sh_metricsconfigurations.yaml`, (text) => {
    const definition = parseDocument(text);
    const option = ['spec', 'versions', 0, 'schema', 'openAPIV3Schema', 'properties', 'spec', 'properties', 'contextOptions', 'items', 'properties']; // prettier-ignore
    definition.deleteIn([...option, 'ttl']);
    definition.deleteIn(['spec', 'names', 'shortNames']);
    return definition.toString();
  });
  writeFileSync(
    join(chart, 'templates', 'former.yaml'),
    'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: retina-former, namespace: {{ .Release.Namespace }}}\n',
  );
  await helm(['package', chart, '--destination', folder]);
  return join(
    folder,
    readdirSync(folder).find((name) => name.endsWith('.tgz'))!,
  );
}

/** Families of the agents' own metrics on a node, and the labels of each. */
async function families(node: string): Promise<ReadonlyMap<string, string>> {
  const ours = (await scrape(node)).filter(({ name }) => name.startsWith('networkobservability_'));
  return new Map(ours.map(({ name, labels }) => [name, Object.keys(labels).sort().join()]));
}

describe('upgrade from an earlier chart, with values changed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'retina-chart-'));
  const values = { enablePodLevel: true, plugins: { packetparser: {} } };
  const limited = { contextOptions: [{ metricName: 'forward_count', sourceLabels: ['podname'], ttl: '5m' }], namespaces: {} }; // prettier-ignore
  const kept = JSON.stringify({ apiVersion: 'retina.sh/v1alpha1', kind: 'MetricsConfiguration', metadata: { name: 'kept' }, spec: limited }); // prettier-ignore
  let world: World;
  let loose: readonly number[];
  let before: Awaited<ReturnType<typeof agents>>;
  let were: ReadonlyMap<string, string>;

  beforeAll(async () => {
    await uninstall();
    await kubectl('delete', 'crds', '-l', 'app.kubernetes.io/part-of=retina', '--ignore-not-found', '--wait');
    loose = TOOL ? await orphans() : [];
    await install(values, await olderChart(folder));
    world = await createWorld();
    await echo(world.client, world.far.addresses[0]!, 9000, 10, 10);
    await eventually(async () => {
      were = await families(world.client.node);
      expect([...were.keys()]).toContain('networkobservability_adv_forward_count');
    });
    before = await agents();
    // What the older definition does not know is not kept.
    await expect(apply(kept, '--validate=strict')).rejects.toThrow(/ttl/);
    await apply(kept, '--validate=false');
    await install({ ...values, enabledPlugin_linux: ['dropreason', 'packetforward', 'linuxutil'], logLevel: 'info' });
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true, force: true });
    await kubectl('delete', 'metricsconfigurations.retina.sh', '--all', '--ignore-not-found');
    await removeWorld();
  });

  it('replaces every agent, once', async () => {
    const after = await agents();
    expect([...after.keys()].sort()).toEqual(await nodes());
    for (const [node, { uid }] of before) {
      expect(after.get(node)!.uid).not.toBe(uid);
      expect(after.get(node)!.restarts).toBe(0);
    }
    const labels = await kubectl('-n', NAMESPACE, 'get', 'pods', '-l', 'k8s-app=retina', '-o', 'jsonpath={.items[*].metadata.labels.helm\\.sh/chart}'); // prettier-ignore
    expect(new Set(labels.split(' '))).toEqual(new Set([`retina-${NEWER}`]));
  });

  it('upgrades the definitions, and keeps their objects', async () => {
    const { metadata, spec } = await json<Definition>('get', 'crd', CRD);
    expect(metadata.labels['helm.sh/chart']).toBe(`retina-${NEWER}`);
    expect(spec.names.shortNames).toEqual(['rmc']);
    const found = await json<{ spec: { contextOptions: readonly object[] } }>('get', 'metricsconfiguration', 'kept');
    expect(found.spec.contextOptions).toEqual([{ metricName: 'forward_count', sourceLabels: ['podname'] }]);
    await eventually(() => apply(kept, '--validate=strict'));
  });

  it('goes by what changed in an object that the older definition did not take whole', async () => {
    await eventually(async () => {
      await echo(world.client, world.far.addresses[0]!, 9000, 2, 10);
      const found = select(await scrape(world.client.node), 'adv_forward_count');
      expect(found.length).toBeGreaterThan(0);
      for (const { labels } of found) expect(Object.keys(labels).sort()).toEqual(['direction', 'podname']);
    });
    await kubectl('delete', 'metricsconfiguration', 'kept');
  });

  it('keeps the names of metrics and of their labels; what was selected out is gone', async () => {
    const selected = [...were].filter(([name]) => !/_dns_/.test(name));
    expect(selected.length).toBeLessThan(were.size);
    // Some have a value only once something went wrong, which need not happen again.
    const certain = selected.filter(([name]) => !/drop_(count|bytes|packets)|retrans|reset|failed|error/.test(name));
    const is = await eventually(async () => {
      await echo(world.client, world.far.addresses[0]!, 9000, 2, 10);
      const now = await families(world.client.node);
      expect(now.get('networkobservability_adv_forward_count')).toContain('workload_name');
      // What is read every few seconds is not there at once.
      expect(certain.filter(([name]) => !now.has(name))).toEqual([]);
      return now;
    });
    for (const [name, labels] of selected) expect([name, is.get(name) ?? labels]).toEqual([name, labels]);
    expect([...is.keys()].filter((name) => /_dns_/.test(name))).toEqual([]);
  });

  it('leaves nothing of the earlier one: no object, no program beside the new agents’', async () => {
    await expect(kubectl('-n', NAMESPACE, 'get', 'configmap', 'retina-former')).rejects.toThrow(/NotFound/);
    if (TOOL) await eventually(async () => expect(await orphans(loose)).toEqual([]));
    const labels = { direction: 'ingress', podname: world.far.name };
    const count = async () => sum(await scrape(world.far.node), 'adv_forward_count', labels);
    const start = await count();
    await echo(world.client, world.far.addresses[0]!, 9000, 300, 10);
    // Counted once.
    await eventually(async () => expect(await count()).toBe(start + 300));
  });
});
