import { API, definePlugin } from '@retina/sdk';
import { z } from 'zod';
import { PROBLEMS } from './files.ts';
import { totalsOf } from './totals.ts';
import { walk } from './tree.ts';

const MAX_SERIES = 10_000;

export default definePlugin({
  name: 'infiniband',
  api: API,
  description: 'InfiniBand and RoCE: port counters and status parameters, as the devices keep them.',
  stability: 'beta',
  platforms: ['linux'],
  needs: { capabilities: [], mounts: ['/sys'] },
  config: z.strictObject({
    intervalMs: z.int().min(100).max(600_000).default(10_000).describe('Milliseconds between two readings.'),
    sysfsRoot: z.string().startsWith('/').default('/sys').describe('Where sysfs is mounted.'),
    hwCounters: z.boolean().default(false).describe("Also the driver's own counters of each port (hw_counters)."),
    interfacePrefix: z
      .string()
      .min(1)
      .max(15)
      .default('ib')
      .describe('How the names of network interfaces begin whose status parameters are read.'),
    maxFiles: z.int().min(1).max(100_000).default(10_000).describe('Most files read at a time.'),
  }),
  metrics: {
    infiniband_counter_stats: {
      kind: 'counter', help: "Port counters of InfiniBand devices, in the device's own units.",
      labels: ['statistic_name', 'device', 'port'], maxSeries: MAX_SERIES,
    },
    infiniband_status_params: {
      kind: 'gauge', help: 'Status parameters of InfiniBand network interfaces.',
      labels: ['statistic_name', 'interface_name'], maxSeries: MAX_SERIES,
    },
    infiniband_devices: { kind: 'gauge', help: 'InfiniBand devices found at the last reading.' },
    infiniband_read_errors_total: {
      kind: 'counter', help: 'Files and folders of the tree that gave nothing, by cause.', labels: ['cause'],
    },
  }, // prettier-ignore
  setup(ctx) {
    const { metrics, config, signal } = ctx;
    const totals = totalsOf(metrics.infiniband_counter_stats, MAX_SERIES);
    const told = new Set<string>();
    for (const problem of PROBLEMS) metrics.infiniband_read_errors_total.add(0, ctx.label(problem));

    const problem = (cause: string, message: string) => {
      metrics.infiniband_read_errors_total.add(1, ctx.label(cause));
      if (told.has(cause)) return; // each interval would say it anew: the counter does
      told.add(cause);
      ctx.log.warn('a part of the InfiniBand tree gave nothing', { cause, problem: message });
    };

    const read = async (): Promise<void> => {
      const found = await walk({ ...config, root: config.sysfsRoot, signal });
      if (signal.aborted) return;
      metrics.infiniband_devices.set(found.devices);
      for (const { name, owner, port, value } of found.counters) {
        const step = totals.step(`${owner}/${port}/${name}`, value);
        if (step === undefined) problem('too_many', `there are more than ${MAX_SERIES} counters`);
        else metrics.infiniband_counter_stats.add(step, ctx.label(name), ctx.label(owner), ctx.label(port));
      }
      metrics.infiniband_status_params.clear();
      for (const { name, owner, value } of found.parameters) {
        metrics.infiniband_status_params.set(Number(value), ctx.label(name), ctx.label(owner));
      }
      for (const { problem: cause, message } of found.problems) problem(cause, message);
    };

    // A device that takes its time must not hold up the start, nor two readings meet, nor one outlive the plugin.
    let last = Promise.resolve();
    const next = (): Promise<void> => {
      const reading = last.then(() => (signal.aborted ? undefined : read()));
      last = reading.catch(() => undefined);
      return reading;
    };
    ctx.defer(() => last);
    ctx.every(config.intervalMs, next);
    next().catch((error: unknown) => ctx.log.error('the first reading failed', { error: String(error) }));
  },
});
