/**
 * What does not compile. Every line below an `@ts-expect-error` is a mistake that somebody will make once; if one of them
 * compiled, `tsc` would say that the comment is not needed.
 */
import { API, defineExporter, defineLayout, definePlugin, RetinaError, type Sink } from '@retina/sdk';
import { z } from 'zod';

const layout = defineLayout({
  name: 'hit',
  stride: 24,
  fields: { count: { offset: 0, type: 'u64', size: 8 }, address: { offset: 8, type: 'bytes', size: 16 } },
});

const about = {
  name: 'typed',
  api: API,
  description: 'Is compiled and never run.',
  stability: 'experimental',
  platforms: ['linux'],
  needs: { capabilities: [] },
} as const;

export const plugin = definePlugin({
  ...about,
  config: z.object({ intervalMs: z.int().default(1000).describe('Milliseconds between two readings.') }),
  metrics: {
    plain_total: { kind: 'counter', help: 'Without labels.' },
    hits_total: { kind: 'counter', help: 'By two labels.', labels: ['kind', 'place'] },
    level_bytes: { kind: 'gauge', unit: 'bytes', help: 'A level.', labels: ['kind'] },
    wait_seconds: { kind: 'histogram', unit: 'seconds', help: 'A time.', buckets: [0.1, 1] },
    pods_total: { kind: 'counter', scope: 'pod', option: 'pods_count', help: 'By pod.', labels: ['kind'] },
  },
  async setup(ctx) {
    const [kind, place] = [ctx.label('kind'), ctx.label('place')];
    const { plain_total, hits_total, level_bytes, wait_seconds, pods_total } = ctx.metrics;
    plain_total.add(1);
    hits_total.add(1, kind, place);

    // A wrong number of labels.
    // @ts-expect-error one label of none
    plain_total.add(1, kind);
    // @ts-expect-error one label of two
    hits_total.add(1, kind);
    // @ts-expect-error three labels of two
    hits_total.add(1, kind, place, place);
    // @ts-expect-error a text where an id belongs
    hits_total.add(1, 'kind', place);
    // @ts-expect-error no value
    level_bytes.set(kind);
    // @ts-expect-error a pod-level family without the record it counts
    pods_total.add(1, kind);

    // A metric that was not declared, and what its kind does not have.
    // @ts-expect-error no such metric
    ctx.metrics.hit_total.add(1);
    // @ts-expect-error a counter never falls
    plain_total.remove();
    // @ts-expect-error a histogram observes
    wait_seconds.add(1);

    // A field the record does not have.
    const object = await ctx.bpf(new URL('file:///x.bpf.o'));
    object.stream('hits', layout, (batch) => {
      plain_total.add(batch.col.count(0));
      // @ts-expect-error no such field
      batch.col.cuont(0);
      // @ts-expect-error a field of bytes is no number
      batch.col.address(0);
      batch.bytes('address', 0);
      // @ts-expect-error a number is no field of bytes
      batch.bytes('count', 0);
    });

    // An option that does not exist, or is of another type.
    ctx.every(ctx.config.intervalMs, () => undefined);
    // @ts-expect-error no such option
    ctx.every(ctx.config.interval, () => undefined);
    // @ts-expect-error options are frozen
    ctx.config.intervalMs = 1;

    // An error without a code of the table.
    ctx.degrade(new RetinaError('RETINA_SOURCE_UNREACHABLE', 'It is not there'));
    // @ts-expect-error no such code
    ctx.degrade(new RetinaError('SOMETHING', 'It is not there'));
    // @ts-expect-error a cause has a code
    ctx.degrade(new Error('It is not there'));
  },
});

const setup = () => undefined;
const config = z.object({});

export const wrong = [
  // @ts-expect-error a unit that is none
  definePlugin({ ...about, config, setup, metrics: { wait_minutes: { kind: 'gauge', unit: 'minutes', help: 'A time.' } } }), // prettier-ignore
  // @ts-expect-error a kind that is none
  definePlugin({ ...about, config, setup, metrics: { wait: { kind: 'summary', help: 'A time.' } } }),
  // @ts-expect-error a histogram has buckets
  definePlugin({ ...about, config, setup, metrics: { wait: { kind: 'histogram', help: 'A time.' } } }),
  // @ts-expect-error a family has help
  definePlugin({ ...about, config, setup, metrics: { wait_total: { kind: 'counter' } } }),
  // @ts-expect-error another version of the contract
  definePlugin({ ...about, api: 2, config, setup, metrics: {} }),
  // @ts-expect-error options are an object
  definePlugin({ ...about, config: z.string(), setup, metrics: {} }),
  // @ts-expect-error a platform that is none
  definePlugin({ ...about, platforms: ['darwin'], config, setup, metrics: {} }),
  // @ts-expect-error no setup
  definePlugin({ ...about, config, metrics: {} }),
];

export const exporter = defineExporter({
  name: 'typed',
  api: API,
  description: 'Is compiled and never run.',
  stability: 'experimental',
  config,
  setup: (ctx) => ({
    async metrics(reader) {
      for (const family of reader.families()) {
        family.value(0);
        // @ts-expect-error exporters read
        family.add(1);
      }
      // @ts-expect-error exporters have no BPF
      await ctx.bpf(new URL('file:///x.bpf.o'));
    },
  }),
});

export const sink: Sink = {
  flows: (batch) => void batch.packets(0),
  // @ts-expect-error a sink takes metrics and flows
  logs: () => undefined,
};
