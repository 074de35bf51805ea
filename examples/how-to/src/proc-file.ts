import { readFile } from 'node:fs/promises';
import { API, definePlugin, RetinaError } from '@retina/sdk';
import { z } from 'zod';

const MAX_CPUS = 8192;

export default definePlugin({
  name: 'softnet',
  api: API,
  description: 'Packets each CPU has taken from network devices, and those it had to drop.',
  stability: 'experimental',
  platforms: ['linux'],
  needs: { capabilities: [] },
  config: z.strictObject({
    intervalSeconds: z.number().min(0.1).default(5).describe('Seconds between two readings.'),
    file: z.string().min(1).default('/proc/net/softnet_stat').describe('Where to read.'),
  }),
  metrics: {
    softnet_packets_total: { kind: 'counter', help: 'Packets by CPU and by what became of them.', labels: ['cpu', 'outcome'] },
    softnet_squeezed_total: { kind: 'counter', help: 'Times a CPU stopped before the queue was empty.', labels: ['cpu'] },
    softnet_bad_lines_total: { kind: 'counter', help: 'Lines that were not understood.' },
  },
  setup(ctx) {
    const [processed, dropped] = [ctx.label('processed'), ctx.label('dropped')];
    let missing: Disposable | undefined;
    ctx.every(ctx.config.intervalSeconds * 1000, async () => {
      const text = await readFile(ctx.config.file, 'utf8').catch((error: Error) => error);
      missing?.[Symbol.dispose]();
      missing = undefined;
      if (typeof text !== 'string') {
        // Still running, but without what it is for: state, metrics and /healthz say so.
        missing = ctx.degrade(
          new RetinaError('RETINA_SOURCE_UNREACHABLE', `${ctx.config.file} cannot be read`, {
            found: text.message,
            next: 'mount /proc of the host, or correct the option "file"',
          }),
        );
        return;
      }
      const { cpus, badLines } = parseSoftnet(text);
      for (const cpu of cpus) {
        const label = ctx.label(String(cpu.number));
        // The kernel counts; "set" takes its totals, and a total that falls as a restart from zero.
        ctx.metrics.softnet_packets_total.set(cpu.processed, label, processed);
        ctx.metrics.softnet_packets_total.set(cpu.dropped, label, dropped);
        ctx.metrics.softnet_squeezed_total.set(cpu.squeezed, label);
      }
      ctx.metrics.softnet_bad_lines_total.add(badLines);
    });
  },
}); // prettier-ignore

interface Softnet {
  readonly number: number;
  readonly processed: number;
  readonly dropped: number;
  readonly squeezed: number;
}

/** A line for each CPU that is online: columns of hexadecimal numbers. The thirteenth is the CPU's, since Linux 5.10. */
export function parseSoftnet(text: string): { readonly cpus: readonly Softnet[]; readonly badLines: number } {
  const cpus: Softnet[] = [];
  let badLines = 0;
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const columns = line.trim().split(/\s+/).map((word) => (/^[0-9a-f]{8}$/.test(word) ? parseInt(word, 16) : NaN)); // prettier-ignore
    const [processed, dropped, squeezed] = columns;
    if (columns.length < 3 || columns.length > 32 || columns.some(Number.isNaN) || cpus.length === MAX_CPUS) badLines++;
    else
      cpus.push({ number: columns[12] ?? cpus.length, processed: processed!, dropped: dropped!, squeezed: squeezed! });
  }
  return { cpus, badLines };
}
