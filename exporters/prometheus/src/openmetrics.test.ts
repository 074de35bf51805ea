import { existsSync } from 'node:fs';
import type { MetricFamily } from '@retina/sdk';
import { describe, expect, it } from 'vitest';
import { family } from '@retina/testkit';
import { namesOf, prometheus, PROMETHEUS } from '../test/prometheus.ts';
import { MetricsServer } from './server.ts';
import { renderText } from './text.ts';

const histogram = () => ({ bounds: [0.5, 1], counts: [1, 3, 4], sum: 7.25 });
const FAMILIES: readonly MetricFamily[] = [
  family('networkobservability_forward_count', ['direction'], [[['ingress'], 12]], { kind: 'counter' }),
  family('retina_lost_records_total', ['stage'], [[['a"\\\nb'], 3]], { kind: 'counter', help: 'Says "no".' }),
  family('process_resident_memory_bytes', [], [[[], 5]], { unit: 'bytes' }),
  family('wait_seconds', [], [[[], 0]], { kind: 'histogram', unit: 'seconds', histogram }),
  family('empty', ['a'], []),
];

it('OpenMetrics is exactly this', () => {
  expect([...renderText({ families: () => FAMILIES }, 'openmetrics')].join('')).toBe(`# TYPE networkobservability_forward_count unknown
# HELP networkobservability_forward_count Help of networkobservability_forward_count.
networkobservability_forward_count{direction="ingress"} 12
# TYPE retina_lost_records counter
# HELP retina_lost_records Says \\"no\\".
retina_lost_records_total{stage="a\\"\\\\\\nb"} 3
# TYPE process_resident_memory_bytes gauge
# UNIT process_resident_memory_bytes bytes
# HELP process_resident_memory_bytes Help of process_resident_memory_bytes.
process_resident_memory_bytes 5
# TYPE wait_seconds histogram
# UNIT wait_seconds seconds
# HELP wait_seconds Help of wait_seconds.
wait_seconds_bucket{le="0.5"} 1
wait_seconds_bucket{le="1"} 3
wait_seconds_bucket{le="+Inf"} 4
wait_seconds_sum 7.25
wait_seconds_count 4
# EOF
`); // prettier-ignore
});

it('a request may name the families it wants, in either format and by the names of samples', async () => {
  await using server = await MetricsServer.listen({
    host: '127.0.0.1', port: 0, metrics: { families: () => FAMILIES },
    health: () => ({ live: true, ready: true, components: [], problems: [] }),
  }); // prettier-ignore
  const ask = async (query: string, accept = 'text/plain') =>
    (await (await fetch(`${server.url}/metrics?${query}`, { headers: { accept } })).text())
      .split('\n')
      .filter((line) => line && !line.startsWith('# HELP') && !line.startsWith('# TYPE'));
  expect(await ask('name[]=process_resident_memory_bytes&name[]=nothing')).toEqual(['process_resident_memory_bytes 5']);
  expect(await ask('name%5B%5D=wait_seconds_sum')).toHaveLength(5);
  expect(await ask('name[]=retina_lost_records', 'application/openmetrics-text')).toHaveLength(2);
  expect(await ask('name[]=nothing')).toEqual([]);
  expect(await ask('name[]=')).toHaveLength(8);
});

describe.runIf(existsSync(PROMETHEUS))('Prometheus', { timeout: 90_000 }, () => {
  const metrics = { families: () => FAMILIES };
  const health = () => ({ live: true, ready: true, components: [], problems: [] });

  it('reads the same series from every format', async () => {
    await using server = await MetricsServer.listen({ host: '127.0.0.1', port: 0, metrics, health });
    const lines = [...renderText(metrics)].join('').split('\n').filter((line) => line && !line.startsWith('#')); // prettier-ignore
    await using running = await prometheus([new URL(server.url).host]);
    const openMetrics = namesOf(await running.query('{job="r"}'));
    expect(openMetrics).toHaveLength(lines.length);
    expect(openMetrics).toContain('networkobservability_forward_count{"direction":"ingress"}');
    expect(openMetrics).toContain('wait_seconds_bucket{"le":"1"}');
    expect(openMetrics).toContain('retina_lost_records_total{"stage":"a\\"\\\\\\nb"}');
  });

  it('reads exponential bounds as a native histogram, all others as before', async () => {
    const exponential = { scale: 1, first: -2 }; // bounds 0.5, 0.707, 1, 1.414, 2
    const bounds = [0, 1, 2, 3, 4].map((i) => 2 ** ((exponential.first + i) / 2));
    const rtt = () => ({ bounds, counts: [2, 2, 5, 6, 6, 7], sum: 9.5, exponential });
    const native = family('rtt_seconds', ['of'], [[['a'], 0]], { kind: 'histogram', unit: 'seconds', histogram: rtt });
    const all = { families: () => [...FAMILIES, native] };
    await using server = await MetricsServer.listen({ host: '127.0.0.1', port: 0, metrics: all, health });
    await using running = await prometheus([new URL(server.url).host], ['--enable-feature=native-histograms']);
    const series = await running.query('{job="r"}');
    expect(namesOf(series)).toContain('networkobservability_forward_count{"direction":"ingress"}');
    expect(namesOf(series)).toContain('rtt_seconds{"of":"a"}');
    const [, found] = series.find(({ metric }) => metric['__name__'] === 'rtt_seconds')!.histogram!;
    expect([found.count, found.sum]).toEqual(['7', '9.5']);
    const buckets = found.buckets.map(([, low, high, count]) => [
      Number(low).toFixed(3),
      Number(high).toFixed(3),
      count,
    ]);
    expect(buckets).toEqual([
      ['-0.500', '0.500', '2'],
      ['0.707', '1.000', '3'],
      ['1.000', '1.414', '1'],
      ['2.000', '2.828', '1'],
    ]);
  });
});
