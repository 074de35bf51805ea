import { fileURLToPath } from 'node:url';
import { run } from '@retina/testkit';
import type { Figure } from './figures.ts';

/** What `scrape-worker.ts` found. */
export interface ScrapeResult {
  readonly series: number;
  readonly bytes: number;
  /** Milliseconds of each scrape, plain and gzipped. */
  readonly plain: readonly number[];
  readonly zipped: readonly number[];
  /** Longest time the event loop did not turn during a scrape, in milliseconds. */
  readonly longestBlockMs: number;
}

/** A scrape of 100 000 pod-like series from the exporter's own server, in a process of its own. */
export async function scrape(quick: boolean): Promise<readonly Figure[]> {
  const file = fileURLToPath(new URL('scrape-worker.ts', import.meta.url));
  const { stdout } = await run(process.execPath, ['--conditions=@retina/source', file, quick ? '4' : '10']);
  const result = JSON.parse(stdout.trim().split('\n').at(-1)!) as ScrapeResult;
  const middle = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;
  const common = { unit: 'ms', better: 'lower', scale: 'scriptMs' } as const;
  const note = `${result.series} series, ${(result.bytes / 1e6).toFixed(1)} MB`;
  return [
    { ...common, id: 'scrape.plain', title: 'scrape of 100 000 series', value: middle(result.plain), budget: 300, tolerance: 1.4, noise: 30, note }, // prettier-ignore
    { ...common, id: 'scrape.gzip', title: 'scrape of 100 000 series, gzip', value: middle(result.zipped), tolerance: 1.4, noise: 30 }, // prettier-ignore
    { ...common, id: 'scrape.block', title: 'longest block of the event loop', value: result.longestBlockMs, budget: 10, tolerance: 1.6, noise: 4 }, // prettier-ignore
  ];
}
