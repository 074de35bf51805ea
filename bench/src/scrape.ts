import { request } from 'node:http';
import { fileURLToPath } from 'node:url';
import { Running } from '@retina/testkit';
import { type Figure, lowerQuartile, median } from './figures.ts';

const PORT = 10_994;

/** A scrape of 100 000 pod-like series from the exporter's own server, in a process of its own. */
export async function scrape(quick: boolean): Promise<readonly Figure[]> {
  const file = fileURLToPath(new URL('scrape-worker.ts', import.meta.url));
  await using worker = new Running(process.execPath, ['--conditions=@retina/source', file, String(PORT)]);
  await worker.output(/ready/, 60_000);
  const { bytes, lines } = await once(false); // what later ones may reuse is made here
  const [plain, zipped, blocks]: [number[], number[], number[]] = [[], [], []];
  const rounds = quick ? 4 : 10;
  const block = async (last: boolean): Promise<number> => {
    const before = worker.stdout.split(' ms\n').length;
    worker.process.stdin!.write(last ? 'last\n' : 'next\n');
    const told = new RegExp(`(?:block \\S+ ms\\n[^]*){${before - 1}}block (\\S+) ms\\n`);
    return Number((await worker.output(told))[1]);
  };
  await block(false); // what others on this machine disturb only adds, so the lower quartile of the scrapes counts
  for (let i = 0; i < rounds; i++) {
    plain.push((await once(false)).ms);
    zipped.push((await once(true)).ms);
    blocks.push(await block(i === rounds - 1));
  }
  const common = { unit: 'ms', better: 'lower', scale: 'scriptMs' } as const;
  const note = `${lines} lines, ${(bytes / 1e6).toFixed(1)} MB`;
  return [
    { ...common, id: 'scrape.plain', title: 'scrape of 100 000 series', value: median(plain), budget: 300, tolerance: 1.4, noise: 30, note }, // prettier-ignore
    { ...common, id: 'scrape.gzip', title: 'scrape of 100 000 series, gzip', value: median(zipped), tolerance: 1.4, noise: 30 }, // prettier-ignore
    { ...common, id: 'scrape.block', title: 'longest block of the event loop', value: lowerQuartile(blocks), budget: 10, tolerance: 1.6, noise: 4 }, // prettier-ignore
  ];
}

function once(gzip: boolean): Promise<{ readonly ms: number; readonly bytes: number; readonly lines: number }> {
  const start = performance.now();
  const chunks: Buffer[] = [];
  return new Promise((resolve, reject) => {
    const headers = gzip ? { 'accept-encoding': 'gzip' } : {};
    const sent = request({ port: PORT, path: '/metrics', headers, agent: false }, (response) => {
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const ms = performance.now() - start;
        const whole = Buffer.concat(chunks);
        resolve({ ms, bytes: whole.length, lines: gzip ? 0 : whole.toString('latin1').split('\n').length });
      });
    });
    sent.on('error', reject).end();
  });
}
