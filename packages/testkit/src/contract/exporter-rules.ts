import { API, definePlugin, type Exporter, FlowWriter } from '@retina/sdk';
import type { Host } from '@retina/core';
import { z } from 'zod';
import { mappedAddress } from '../packets/index.ts';
import { replay } from '../replay/index.ts';
import { sabotaged } from './failing-context.ts';
import { LeakWatch } from './leaks.ts';
import { lintOptions } from './lint-config.ts';
import { lintExporter } from './lint-manifest.ts';
import { ContractError, must, none, type Rule } from './rule.ts';
import { handlerErrors, mustRun, startHost, stateOf } from './run-host.ts';

export interface ExporterContractOptions {
  /** The exporter's options for every run: a free port, a place to write to. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Options that must be refused, each wrong in its own way. */
  readonly refused?: readonly Readonly<Record<string, unknown>>[];
  /** Options that are valid but cannot be met on this machine (a port in use, a host that does not exist): it must fail with a code of its own. */
  readonly unmet?: readonly Readonly<Record<string, unknown>>[];
  /** What must be true while it runs: scrape it, read what it wrote. The host has families of every kind and flows on their way. */
  readonly check?: (host: Host) => Promise<void>;
}

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
  'x'.repeat(5000),
];

/** Gives an exporter something to export: every kind of family, texts nobody should send, flows. */
const source = definePlugin({
  name: 'source',
  api: API,
  description: 'Gives an exporter something to export.',
  stability: 'experimental',
  platforms: ['linux', 'win32'],
  needs: { capabilities: [] },
  config: z.object({}),
  metrics: {
    events_total: { kind: 'counter', help: 'Events by a text that is hard to write.', labels: ['text'] },
    level_ratio: { kind: 'gauge', unit: 'ratio', help: 'A level that comes and goes.', labels: ['text'] },
    wait_seconds: { kind: 'histogram', unit: 'seconds', help: 'A time that is waited.', buckets: [0.1, 1, 10] },
  },
  setup(ctx) {
    const texts = TEXTS.map((text) => ctx.label(text));
    const flows = new FlowWriter(64);
    const beat = () => {
      for (const [i, text] of texts.entries()) {
        ctx.metrics.events_total.add(i, text);
        ctx.metrics.level_ratio.set(1 / (i + 1), text);
        ctx.metrics.wait_seconds.observe(i);
      }
      flows.clear();
      for (let i = 0; i < 64; i++) {
        const family = i % 2 ? 6 : 4;
        const addresses = family === 4 ? (['10.0.0.1', '10.0.0.2'] as const) : (['fd00::1', 'fd00::2'] as const);
        flows.add({
          family, sourceAddress: mappedAddress(addresses[0]), destinationAddress: mappedAddress(addresses[1]),
          protocol: i % 3 ? 6 : 17, sourcePort: 1000 + i, destinationPort: 80, packets: 1 + i, bytes: 100 * i, verdict: 1 + (i % 2),
          dropReason: texts[i % texts.length]!, start: Date.now(), end: Date.now(), firstSeen: Date.now(), fresh: 1, flowId: i,
        }); // prettier-ignore
      }
      ctx.flows.emit(flows.batch());
    };
    beat();
    ctx.every(50, beat);
  },
});

/** The contract of exporters as rules; `exporterContract` makes tests of them. */
export function exporterRules(exporter: Exporter, settings: ExporterContractOptions = {}): readonly Rule[] {
  const { options = {} } = settings;
  const start = (component: Exporter = exporter, given = options) =>
    startHost({ plugins: [[source, {}]], exporters: [[component, given]], loader: replay().loader });
  const clean = async (work: (inside: (component: Exporter) => Exporter) => Promise<void>): Promise<void> => {
    using watch = new LeakWatch();
    await work((component) => ({ ...component, setup: (ctx) => watch.inside(() => component.setup(ctx)) }));
    none(await watch.left());
  };

  return [
    { name: 'its manifest is right', check: () => none(lintExporter(exporter)) },
    {
      name: 'its options round-trip, are described, and wrong ones are refused',
      async check() {
        none(lintOptions(exporter.config, options));
        for (const wrong of settings.refused ?? []) {
          must(!exporter.config.strict().safeParse(wrong).success, `config: accepts ${JSON.stringify(wrong)}`);
        }
        const host = await start(exporter, { ...options, noSuchOption: true });
        const { state, causes } = stateOf(host, 'exporter', exporter.name);
        await host.stop();
        must(
          state === 'failed' && causes[0]?.code === 'RETINA_CONFIG_INVALID',
          `with an unknown option it is ${state}`,
        );
      },
    },
    {
      name: 'exports every kind of family and texts nobody should send, without an error',
      async check() {
        const host = await start();
        try {
          mustRun(host, 'exporter', exporter.name);
          await new Promise((resolve) => setTimeout(resolve, 1300)); // flows wait up to a second for their batch to fill
          await settings.check?.(host);
          must(handlerErrors(host) === 0, `${handlerErrors(host)} of its calls threw`);
          mustRun(host, 'exporter', exporter.name);
        } finally {
          await host.stop();
        }
      },
    },
    {
      name: 'starts, stops twice, starts again, and leaves nothing behind',
      check: () =>
        clean(async (inside) => {
          for (let round = 0; round < 10; round++) {
            const host = await start(inside(exporter));
            mustRun(host, 'exporter', exporter.name);
            await host.stop();
            await host.stop();
            must(stateOf(host, 'exporter', exporter.name).state === 'stopped', 'it does not stop');
          }
        }),
    },
    {
      name: 'leaves nothing behind when setup fails half-way, wherever that is',
      async check() {
        for (let failing = 1; failing < 100; failing++) {
          let reached = false;
          await clean(async (inside) => {
            const { component, calls } = sabotaged(exporter, failing);
            const host = await start(inside(component));
            reached = calls() >= failing;
            await host.stop();
          }).catch((error: unknown) => {
            throw new ContractError(`call ${failing} to the host failed: ${(error as Error).message}`, {
              cause: error,
            });
          });
          if (!reached) return;
        }
        throw new ContractError('setup makes more than 100 calls to the host');
      },
    },
    {
      name: 'fails with a code of its own where its options cannot be met',
      async check() {
        for (const unmet of settings.unmet ?? []) {
          const host = await start(exporter, { ...options, ...unmet });
          const { state, causes } = stateOf(host, 'exporter', exporter.name);
          await host.stop();
          must(state === 'failed', `with ${JSON.stringify(unmet)} it is ${state}`);
          must(causes.every(({ code }) => code.startsWith('RETINA_') && code !== 'RETINA_SETUP_FAILED'), `it failed with ${causes.map(({ code }) => code).join()}`); // prettier-ignore
        }
      },
    },
  ];
}
