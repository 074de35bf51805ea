import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export const PROMETHEUS = '/usr/bin/prometheus';

export interface Series {
  readonly metric: Record<string, string>;
  readonly value?: readonly [number, string];
  readonly histogram?: readonly [number, NativeFound];
}

export interface NativeFound {
  readonly count: string;
  readonly sum: string;
  readonly buckets: readonly (readonly [kind: number, low: string, high: string, count: string])[];
}

/** A running Prometheus. */
export interface Running extends AsyncDisposable {
  readonly url: string;
  /** Answers of a query, once it has any beside Prometheus' own. */
  query(text: string): Promise<readonly Series[]>;
}

/** Starts a Prometheus that scrapes `targets` every second. */
export async function prometheus(targets: readonly string[], flags: readonly string[] = []): Promise<Running> {
  const folder = mkdtempSync(path.join(tmpdir(), 'retina-prometheus-'));
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  const jobs = targets.map((target) => `  - job_name: r\n    scrape_interval: 1s\n    static_configs: [{targets: ["${target}"]}]\n`); // prettier-ignore
  writeFileSync(path.join(folder, 'prometheus.yml'), `scrape_configs:${jobs.length ? '\n' : ' []'}${jobs.join('')}`);
  const args = [`--config.file=${folder}/prometheus.yml`, `--storage.tsdb.path=${folder}/data`, `--web.listen-address=127.0.0.1:${port}`, '--log.level=error', ...flags]; // prettier-ignore
  const child = spawn(PROMETHEUS, args, { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    async query(text) {
      for (let n = 0; n < 400; n++) {
        const answer = await fetch(`${url}/api/v1/query?query=${encodeURIComponent(text)}`).then(
          (response) => (response.ok ? (response.json() as Promise<{ data?: { result: Series[] } }>) : undefined),
          () => undefined,
        );
        const result = answer?.data?.result ?? [];
        if (result.some(({ metric }) => !/^(up|scrape_)/.test(metric['__name__'] ?? ''))) return result;
        await sleep(100);
      }
      throw new Error('nothing came');
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await once(child, 'exit');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Series without Prometheus' own and without the labels a scrape adds, as text. */
export function namesOf(all: readonly Series[]): string[] {
  return all
    .map(({ metric: { __name__, instance: _, job: __, ...labels } }) => `${__name__}${JSON.stringify(labels)}`)
    .filter((one) => !/^(up|scrape_)/.test(one))
    .sort();
}
