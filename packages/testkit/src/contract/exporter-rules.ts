import type { Host } from '@retina/core';
import type { Exporter, FlowValues, Sink } from '@retina/sdk';
import { replay } from '../replay/index.ts';
import { source } from './contract-source.ts';
import { deliveryRules, type Watched } from './delivery-rules.ts';
import { sabotaged } from './failing-context.ts';
import { LeakWatch } from './leaks.ts';
import { lintOptions } from './lint-config.ts';
import { lintExporter } from './lint-manifest.ts';
import { metricRules } from './metric-rules.ts';
import type { ContractReceiver } from './receiver.ts';
import { ContractError, must, none, type Rule } from './rule.ts';
import { handlerErrors, mustRun, startHost, stateOf } from './run-host.ts';
import { wrapSink } from './wrap-sink.ts';

export interface ExporterContractOptions {
  /** The exporter's options for every run: a free port, a place to write to. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Options that must be refused, each wrong in its own way. */
  readonly refused?: readonly Readonly<Record<string, unknown>>[];
  /** Options that are valid but cannot be met on this machine (a port in use, a host that does not exist): it must fail with a code of its own. */
  readonly unmet?: readonly Readonly<Record<string, unknown>>[];
  /** What must be true while it runs: scrape it, read what it wrote. The host has families of every kind and flows on their way. */
  readonly check?: (host: Host) => Promise<void>;
  /** What it delivers flow records to, for the rules about loss; see `httpReceiver`. Only one whose sink has no `flows` does without. */
  readonly receiver?: () => Promise<ContractReceiver>;
  /** What the records of those rules are like, where it leaves out others: `{ verdict: Verdict.DROPPED }`. */
  readonly record?: FlowValues;
  /** What it delivers metrics to: it counts series (`seriesIn`). Only one whose sink has no `metrics` does without: it is asked, and loses nothing. */
  readonly metricReceiver?: () => Promise<ContractReceiver>;
}

/** The contract of exporters as rules; `exporterContract` makes tests of them. */
export function exporterRules(exporter: Exporter, settings: ExporterContractOptions = {}): readonly Rule[] {
  const { options = {} } = settings;
  const start = (component: Exporter = exporter, given = options) =>
    startHost({ plugins: [[source, {}]], exporters: [[component, given]], loader: replay().loader });
  const clean: Watched = async (work) => {
    using watch = new LeakWatch();
    await work((component) => ({
      ...component,
      setup: (ctx) => watch.inside(async () => watchedSink(await component.setup(ctx), watch)),
    }));
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
      name: 'exports every kind of family, and texts, values and records nobody should send, without an error',
      async check() {
        const bugs = new Set<string>();
        await using there = await (settings.receiver ?? settings.metricReceiver)?.();
        const host = await start(spied(exporter, bugs), { ...options, ...there?.options });
        try {
          mustRun(host, 'exporter', exporter.name);
          await new Promise((resolve) => setTimeout(resolve, 1300)); // flows wait up to a second for their batch to fill
          await settings.check?.(host);
          must(handlerErrors(host) === 0, `${handlerErrors(host)} of its calls threw`);
          none([...bugs]);
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
      name: 'runs more than once at a time, under several names',
      async check() {
        const host = await startHost({
          plugins: [[source, {}]],
          exporters: [
            [exporter, options, `${exporter.name}/one`],
            [exporter, options, `${exporter.name}/two`],
          ],
          loader: replay().loader,
        });
        try {
          for (const name of ['one', 'two']) mustRun(host, 'exporter', `${exporter.name}/${name}`);
        } finally {
          await host.stop();
        }
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
    ...(settings.receiver
      ? deliveryRules(exporter, options, settings.receiver, clean, settings.record)
      : [notApplicable('flows', 'flow records', 'receiver', () => sinkOf(exporter, start))]),
    ...(settings.metricReceiver
      ? metricRules(exporter, options, settings.metricReceiver, clean)
      : [notApplicable('metrics', 'metrics', 'metricReceiver', () => sinkOf(exporter, start))]),
  ];
}

/** In place of the rules about what becomes of a signal: it is never handed any, so that none can be lost. */
function notApplicable(
  signal: 'flows' | 'metrics',
  what: string,
  option: keyof ExporterContractOptions,
  sink: () => Promise<Sink | void>,
): Rule {
  return {
    name: `rules about the loss of ${what} do not apply: its sink is handed none`,
    async check() {
      const found = await sink();
      must(
        !found?.[signal],
        `its sink has "${signal}": give the suite a "${option}" that these go to, httpReceiver say`,
      );
    },
  };
}

/** What its setup returns. */
async function sinkOf(exporter: Exporter, start: (component: Exporter) => Promise<Host>): Promise<Sink | void> {
  let sink: Sink | void = undefined as Sink | void;
  const host = await start({ ...exporter, setup: async (ctx) => (sink = await exporter.setup(ctx)) });
  try {
    mustRun(host, 'exporter', exporter.name);
  } finally {
    await host.stop();
  }
  return sink;
}

/** The sink's calls are the exporter's as well. */
function watchedSink(sink: Sink | void, watch: LeakWatch): Sink | void {
  return wrapSink(sink, (call) => watch.inside(call));
}

/** Notes calls of the sink that end in what no receiver can have said: its own mistakes. */
function spied(exporter: Exporter, bugs: Set<string>): Exporter {
  const spy = async <T>(call: () => T | Promise<T>): Promise<T> => {
    try {
      return await call();
    } catch (error) {
      if (isBug(error)) bugs.add(`a call of its sink threw ${String(error)}`);
      throw error;
    }
  };
  return { ...exporter, setup: async (ctx) => wrapSink(await exporter.setup(ctx), spy as <T>(call: () => T) => T) };
}

/** `fetch` throws a TypeError for a connection that fails, but with a cause. */
function isBug(error: unknown): boolean {
  const bug = [TypeError, RangeError, ReferenceError, SyntaxError, URIError].some((type) => error instanceof type);
  return bug && (error as Error).cause === undefined && !('code' in (error as Error));
}
