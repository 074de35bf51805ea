import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MetricFamily } from '@retina/sdk';
import { expect, it } from 'vitest';
import { family } from '../test/family.ts';
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

/** What Prometheus made of a scrape: series by name and labels. */
async function scrapedBy(target: string, extra: string): Promise<string[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'retina-prometheus-'));
  const probe = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => probe.once('listening', done));
  const { port } = probe.address() as AddressInfo;
  probe.close();
  writeFileSync(path.join(folder, 'prometheus.yml'), `scrape_configs:\n  - job_name: r\n    scrape_interval: 1s\n    static_configs: [{targets: ["${target}"]}]\n${extra}`); // prettier-ignore
  const args = [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`, '--log.level=error']; // prettier-ignore
  const child: ChildProcess = spawn('/usr/bin/prometheus', args, { stdio: 'ignore' });
  try {
    for (let n = 0; n < 300; n++) {
      await sleep(100);
      const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent('{job="r"}')}`;
      const answer = await fetch(url).then((r) => r.json(), () => undefined); // prettier-ignore
      const result = (answer as { data?: { result: { metric: Record<string, string> }[] } } | undefined)?.data?.result;
      const series = (result ?? []).map(({ metric: { __name__, instance: _, job: __, ...labels } }) => `${__name__}${JSON.stringify(labels)}`); // prettier-ignore
      if (series.some((one) => one.startsWith('process_'))) {
        return series.filter((one) => !/^(up|scrape_)/.test(one)).sort();
      }
    }
    throw new Error('nothing was scraped');
  } finally {
    child.kill();
    await new Promise((done) => child.once('exit', done));
    rmSync(folder, { recursive: true, force: true });
  }
}

it.runIf(existsSync('/usr/bin/prometheus'))(
  'Prometheus reads the same series whether it is given OpenMetrics or not',
  async () => {
    const asked: string[] = [];
    const metrics = { families: () => FAMILIES };
    const health = () => ({ live: true, ready: true, components: [], problems: [] });
    await using server = await MetricsServer.listen({ host: '127.0.0.1', port: 0, metrics, health });
    const seen = await scrapedBy(new URL(server.url).host, '');
    asked.push(...[...renderText(metrics)].join('').split('\n').filter((line) => line && !line.startsWith('#'))); // prettier-ignore
    expect(seen).toHaveLength(asked.length);
    expect(seen).toContain('networkobservability_forward_count{"direction":"ingress"}');
    expect(seen).toContain('wait_seconds_bucket{"le":"1"}');
    expect(seen).toContain('retina_lost_records_total{"stage":"a\\"\\\\\\nb"}');
  },
  60_000,
);
