/** What rules cost at 100 000 series: `pnpm exec node --conditions=@retina/source packages/core/bench/rules.ts`. A reading touches every value and label. */
import type { MetricReader } from '@retina/sdk';
import { relabelConfigs } from '../src/export/relabel-config.ts';
import { MetricView } from '../src/export/metric-view.ts';
import { EndpointTable } from '../src/identity/table.ts';
import { MetricStore } from '../src/metrics/store.ts';

const SERIES = 100_000;
const store = new MetricStore({ endpoints: new EndpointTable() });
const specs = { hits_total: { kind: 'counter', help: 'Hits.', labels: ['namespace', 'pod', 'node', 'reason'], maxSeries: SERIES } } as const; // prettier-ignore
const { instruments } = store.open('bench', specs);
const domain = store.labels.domain('bench');
for (let i = 0; i < SERIES; i++) {
  instruments.hits_total.add(i, domain.id(`ns-${i % 40}`), domain.id(`pod-${i % 50_000}`), domain.id(`node-${i % 7}`), domain.id(`r-${i % 11}`)); // prettier-ignore
}

function read(reader: MetricReader): number {
  let seen = 0;
  for (const family of reader.families()) {
    for (let i = 0; i < family.size; i++) {
      if (!family.live(i)) continue;
      family.value(i);
      for (let j = 0; j < family.labels.length; j++) family.label(i, j);
      seen++;
    }
  }
  return seen;
}

function took(work: () => unknown): string {
  const before = process.threadCpuUsage();
  work();
  const { user, system } = process.threadCpuUsage(before);
  return `${((user + system) / 1000).toFixed(1)} ms`;
}

const RULES: Readonly<Record<string, readonly object[]>> = {
  none: [],
  'drop by namespace': [{ source_labels: ['namespace'], regex: 'ns-1.*', action: 'drop' }],
  'add a label': [{ source_labels: ['namespace', 'pod'], separator: '/', target_label: 'target' }],
  'drop the label pod': [{ regex: 'pod', action: 'labeldrop' }],
};
read(store);
for (const [name, rules] of Object.entries(RULES)) {
  const rss = process.memoryUsage.rss();
  const view = rules.length ? new MetricView(store, relabelConfigs.parse(rules)) : store;
  const before = process.threadCpuUsage();
  if (view instanceof MetricView) await view.warm(new AbortController().signal);
  const { user, system } = process.threadCpuUsage(before);
  let seen = 0;
  const first = took(() => (seen = read(view)));
  const next = took(() => read(view));
  const grown = Math.round((process.memoryUsage.rss() - rss) / 2 ** 20);
  process.stdout.write(`${name}: ${seen} series shown; decided once ${((user + system) / 1000).toFixed(0)} ms, a reading ${first}, ${next}; ${grown} MiB\n`); // prettier-ignore
}
