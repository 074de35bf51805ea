import { performance } from 'node:perf_hooks';
import { API, definePlugin } from '@retina/sdk';
import { config, metrics } from './declarations.ts';
import { dnsRecordsLayout } from './dns.gen.ts';
import { Labels } from './labels.ts';
import { Messages, type TapFacts } from './messages.ts';
import { loadFold } from './registrable.ts';
import { Seen } from './seen.ts';

const OBJECT = new URL('../dist/dns.bpf.o', import.meta.url);
const SWEEP_MS = 1000;
/** 2^27 ns: the program counts records by it. */
const LIMIT_WINDOW_MS = 134.2;

export default definePlugin({
  name: 'dns',
  api: API,
  description: 'DNS: queries, answers, latency and what was never answered, by node, pod and flow.',
  stability: 'beta',
  platforms: ['linux'],
  needs: { capabilities: ['BPF', 'PERFMON', 'NET_ADMIN'], kernel: '5.10', btf: true },
  config,
  metrics,
  async setup(ctx) {
    const { config: options } = ctx;
    const constants = {
      ...Object.fromEntries(options.ports.map((port, i) => [`dns_port_${i}`, networkOrder(port)])),
      dns_limit: Math.ceil((options.maxRecordsPerSecond * LIMIT_WINDOW_MS) / 1000),
    };
    const label = (text: string) => ctx.label(text);
    const labels = new Labels(options, label, await loadFold(options.queryLabels.mode));
    const object = await ctx.bpf(OBJECT, { constants, maxEntries: { dns_records: options.ringBytes } });
    const taps = new Map<number, TapFacts>();
    // a tap that is gone is remembered: what it saw may still be on its way
    ctx.use(
      ctx.taps.watch((change, { ifindex, peerNetns, role }) => {
        if (change !== 'removed') taps.set(ifindex, { netns: peerNetns, extra: role === 'extra' });
        else if (taps.size > MAX_TAPS) taps.delete(ifindex);
      }),
    );
    const messages = new Messages(ctx, taps, labels);
    const seen = new Seen(ctx, messages, labels);
    const clock = monotonic();
    object.stream(
      'dns_records',
      dnsRecordsLayout,
      (batch) => {
        messages.begin(clock());
        seen.read(batch);
        messages.end();
      },
      { everyMs: options.readMs },
    );
    const sweep = () => {
      messages.expire(clock());
      seen.sweep(clock(), object.counters('dns_seen'));
    };
    ctx.every(SWEEP_MS, sweep);
    sweep();
    ctx.use(ctx.taps.attach(object, { name: 'dns' }));
  },
});

const MAX_TAPS = 4096;

/** CLOCK_MONOTONIC, which the kernel's programs have the time from, in milliseconds. */
function monotonic(): () => number {
  const [seconds, nanos] = process.hrtime();
  const offset = seconds * 1000 + nanos / 1e6 - performance.now();
  return () => performance.now() + offset;
}

function networkOrder(port: number): number {
  return ((port & 0xff) << 8) | (port >> 8);
}
