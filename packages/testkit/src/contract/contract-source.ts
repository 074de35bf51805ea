import {
  API,
  definePlugin,
  FLOW_STRIDE,
  FlowBatch,
  type FlowDetails,
  type FlowValues,
  FlowWriter,
  type MetricReader,
  type Plugin,
} from '@retina/sdk';
import { z } from 'zod';
import { mappedAddress } from '../packets/index.ts';
import { FILLS, random } from './hostile.ts';

const TEXTS = [
  'plain',
  '',
  'with "quotes"',
  'back\\slash',
  'new\nline',
  '{a="b"} 1',
  'größe',
  '\u{1f600}',
  '\ud800',
  'nul\u0000 and bell\u0007',
  'x'.repeat(5000),
];

const MANIFEST = {
  api: API,
  description: 'Gives an exporter something to export.',
  stability: 'experimental',
  platforms: ['linux', 'win32'],
  needs: { capabilities: [] },
  config: z.object({}),
} as const;

/** Every kind of family with texts that are hard to write, flows of both families; now and then values and bytes that nobody should send. */
export const source: Plugin = definePlugin({
  ...MANIFEST,
  name: 'source',
  metrics: {
    events_total: { kind: 'counter', help: 'Events by a text that is hard to write.', labels: ['text'] },
    level_ratio: { kind: 'gauge', unit: 'ratio', help: 'A level that comes and goes.', labels: ['text'] },
    odd_ratio: { kind: 'gauge', unit: 'ratio', help: 'Values that are hard to write.', labels: ['text'] },
    wait_seconds: { kind: 'histogram', unit: 'seconds', help: 'A time that is waited.', buckets: [0.1, 1, 10] },
    rtt_seconds: { kind: 'histogram', unit: 'seconds', help: 'With exponential bounds.', buckets: { scale: 1, from: 0.001, to: 10 } }, // prettier-ignore
  },
  setup(ctx) {
    const texts = TEXTS.map((text) => ctx.label(text));
    const odd = [NaN, Infinity, -Infinity, -0, 1e300, -1e300, 5e-324];
    const next = random(7);
    const beat = () => {
      for (const [i, text] of texts.entries()) {
        ctx.metrics.events_total.add(i, text);
        ctx.metrics.level_ratio.set(1 / (i + 1), text);
        if (i < odd.length) ctx.metrics.odd_ratio.set(odd[i]!, text);
        ctx.metrics.wait_seconds.observe(i);
        ctx.metrics.rtt_seconds.observe(i / 100);
      }
      ctx.flows.emit(plainFlows(texts));
      for (const fill of Object.values(FILLS)) {
        const bytes = new Uint8Array(8 * FLOW_STRIDE);
        fill(bytes, next);
        ctx.flows.emit(new FlowBatch(bytes, 8, HOSTILE));
      }
    };
    beat();
    ctx.every(50, beat);
  },
});

/** Details as packets may have them: each record hangs another text on. */
const HOSTILE: readonly FlowDetails[] = TEXTS.slice(0, 8).map((query, i) => ({
  dns: { id: i, response: i % 2 === 1, query, queryType: query, responseCode: query, cnames: [query], latencyMs: NaN },
  policies: [{ kind: query, name: query }],
  reason: query,
  packet: new Uint8Array(i * 10),
}));

function plainFlows(texts: readonly number[]): FlowBatch {
  const flows = new FlowWriter(64);
  for (let i = 0; i < 64; i++) {
    const family = i % 2 ? 6 : 4;
    const addresses = family === 4 ? (['10.0.0.1', '10.0.0.2'] as const) : (['fd00::1', 'fd00::2'] as const);
    flows.add({
      family, sourceAddress: mappedAddress(addresses[0]), destinationAddress: mappedAddress(addresses[1]),
      protocol: i % 3 ? 6 : 17, sourcePort: 1000 + i, destinationPort: 80, packets: 1 + i, bytes: 100 * i, verdict: 1 + (i % 2),
      dropReason: texts[i % texts.length]!, start: Date.now(), end: Date.now(), firstSeen: Date.now(), fresh: 1, flowId: i,
    }); // prettier-ignore
  }
  return flows.batch();
}

/** Series of the suite's own family in the rules about metrics. */
export const SERIES = 200;
/** What the value of its label begins with. */
const MARK = 'steady-series-';

/** A plugin with one gauge of {@link SERIES} series that stay as they are. */
export function steadySource(): Plugin {
  return definePlugin({
    ...MANIFEST,
    name: 'steady',
    metrics: { steady_level: { kind: 'gauge', help: 'A level that stays.', labels: ['text'] } },
    setup(ctx) {
      for (let i = 0; i < SERIES; i++) ctx.metrics.steady_level.set(i, ctx.label(`${MARK}${i}`));
    },
  });
}

/** Whether all of them are there: not before it has started, and not any more when it has stopped. */
export function hasSeries(reader: MetricReader): boolean {
  for (const family of reader.families()) {
    if (family.name === 'networkobservability_steady_level') return family.live(SERIES - 1);
  }
  return false;
}

/** How many series of the suite's own are in what an exporter sent, its body decompressed: each names itself once. */
export function seriesIn(body: Uint8Array): number {
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('latin1').split(MARK).length - 1;
}

/** A plugin that emits as many ordinary flow records as it is told to, each unlike every other but for what `same` says. */
export function countedSource(same: FlowValues = {}): { readonly plugin: Plugin; emit(records: number): void } {
  let send: ((batch: FlowBatch) => void) | undefined;
  let made = 0;
  const plugin = definePlugin({
    ...MANIFEST,
    name: 'counted',
    metrics: { records_total: { kind: 'counter', help: 'Records it has emitted.' } },
    setup(ctx) {
      send = (batch) => {
        ctx.metrics.records_total.add(batch.length);
        ctx.flows.emit(batch);
      };
    },
  });
  return {
    plugin,
    emit(records) {
      const flows = new FlowWriter(records);
      for (let i = 0; i < records; i++, made++) {
        flows.add({
          family: 4, sourceAddress: mappedAddress('10.0.0.1'), destinationAddress: mappedAddress(`10.1.${(made >> 8) & 255}.${made & 255}`),
          protocol: 6, sourcePort: 1024 + (made % 60_000), destinationPort: 443, packets: 1, bytes: 100, verdict: 1, direction: 2,
          start: Date.now(), end: Date.now(), firstSeen: Date.now(), fresh: 1, flowId: made, ...same,
        }); // prettier-ignore
      }
      send!(flows.batch());
    },
  };
}
