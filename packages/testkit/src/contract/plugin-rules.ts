import { existsSync } from 'node:fs';
import { catchStrays } from '@retina/core';
import type { ConfigSchema, Plugin } from '@retina/sdk';
import { isRequest, NOTHING, type Recording, readRecording, replay, type Replay } from '../replay/index.ts';
import { sabotaged } from './failing-context.ts';
import { feedHostile, feedHostileNetlink } from './hostile.ts';
import { LeakWatch } from './leaks.ts';
import { lintOptions } from './lint-config.ts';
import { lintPlugin } from './lint-manifest.ts';
import { lintMetrics } from './lint-metrics.ts';
import { ContractError, must, none, type Rule } from './rule.ts';
import { handlerErrors, impossibleValues, mustRun, startHost, stateOf } from './run-host.ts';

export interface PluginContractOptions {
  /** The plugin's options for every run. Default none. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Options that must be refused, each wrong in its own way. */
  readonly refused?: readonly Readonly<Record<string, unknown>>[];
  /** What the kernel gave it once: `new URL('../fixtures/x.bin', import.meta.url)`. Needed when it loads a BPF object. */
  readonly recording?: URL;
  /** Metric keys whose names are forced by compatibility. */
  readonly compatible?: readonly string[];
}

interface Run {
  readonly host: Awaited<ReturnType<typeof startHost>>;
  readonly replay: Replay;
}

/** The contract of plugins as rules; `pluginContract` makes tests of them. None needs rights: the kernel is a recording. */
export function pluginRules(plugin: Plugin, settings: PluginContractOptions = {}): readonly Rule[] {
  const { options = {} } = settings;
  const recording = (): Recording => {
    if (!settings.recording) return NOTHING;
    must(
      existsSync(settings.recording),
      `there is no ${settings.recording.pathname}; record it as root: npm run record, which sets RETINA_RECORD=1`,
    );
    return readRecording(settings.recording);
  };
  const start = async (component: Plugin = plugin, given = options): Promise<Run> => {
    const played = replay(recording());
    return { host: await startHost({ plugins: [[component, given]], loader: played.loader }), replay: played };
  };
  const running = async (work: (run: Run) => void | Promise<void>): Promise<void> => {
    const run = await start();
    try {
      mustRun(run.host, 'plugin', plugin.name);
      await work(run);
    } finally {
      await run.host.stop();
    }
  };
  /** Runs `work` and sees that nothing of the plugin outlives it. */
  const clean = async (work: (inside: (component: Plugin) => Plugin) => Promise<Replay>): Promise<void> => {
    catchStrays(); // the host's, once per process: whichever rule runs first
    using watch = new LeakWatch();
    const inside = (component: Plugin): Plugin => ({
      ...component,
      setup: (ctx) => watch.inside(() => component.setup(ctx)),
    });
    const played = await work(inside);
    none([...(await watch.left()), ...played.open.map((what) => `left open: ${what}`)]);
  };

  return [
    { name: 'its manifest is right', check: () => none([...lintPlugin(plugin), ...plainData(plugin)]) },
    {
      name: 'its metrics are named and declared by the rules',
      check: () => none(lintMetrics(plugin.metrics, settings)),
    },
    {
      name: 'its options round-trip, are described, and wrong ones are refused',
      async check() {
        none(lintOptions(plugin.config, options));
        none(wrongAccepted(plugin.config, settings.refused ?? []));
        const { host } = await start(plugin, { ...options, noSuchOption: true });
        const { state, causes } = stateOf(host, 'plugin', plugin.name);
        await host.stop();
        must(
          state === 'failed' && causes[0]?.code === 'RETINA_CONFIG_INVALID',
          `with an unknown option it is ${state}`,
        );
      },
    },
    {
      name: 'starts, stops, and leaves nothing behind',
      check: () =>
        clean(async (inside) => {
          const run = await start(inside(plugin));
          mustRun(run.host, 'plugin', plugin.name);
          await run.host.stop();
          await run.host.stop();
          const { state } = stateOf(run.host, 'plugin', plugin.name);
          must(state === 'stopped', `after stop it is ${state}`);
          return run.replay;
        }),
    },
    {
      name: 'can be stopped while it starts',
      check: () =>
        clean(async (inside) => {
          const abort = new AbortController();
          const played = replay(recording());
          const starting = startHost({
            plugins: [[inside(plugin), options]],
            loader: played.loader,
            signal: abort.signal,
          });
          setImmediate(() => abort.abort());
          await (await starting).stop();
          return played;
        }),
    },
    {
      name: 'leaves nothing behind when setup fails half-way, wherever that is',
      async check() {
        for (let failing = 1; failing < 200; failing++) {
          let reached = false;
          await clean(async (inside) => {
            const { component, calls } = sabotaged(plugin, failing);
            const run = await start(inside(component));
            reached = calls() >= failing;
            await run.host.stop();
            return run.replay;
          }).catch((error: unknown) => {
            throw new ContractError(`call ${failing} to the host failed: ${(error as Error).message}`, {
              cause: error,
            });
          });
          if (!reached) return;
        }
        throw new ContractError('setup makes more than 200 calls to the host');
      },
    },
    {
      name: 'takes what the kernel gave once, without an error and with possible values',
      check: () =>
        running(async ({ host, replay: played }) => {
          const heard = played.play();
          // What the plugin asked for is handed over when it asks, not by playing.
          const told = recording().batches.some(({ map, source }) => source !== 'statistics' && !isRequest(map));
          if (told) must(heard > 0, 'nobody listened to any batch of the recording');
          await turns();
          must(handlerErrors(host) === 0, `${handlerErrors(host)} calls of its handlers threw`);
          none(impossibleValues(host));
        }),
    },
    {
      name: 'survives values nobody should send',
      check: () =>
        running(async ({ host, replay: played }) => {
          feedHostile(played.objects);
          feedHostileNetlink(played.netlink);
          await turns();
          must(handlerErrors(host) === 0, `${handlerErrors(host)} calls of its handlers threw`);
          none(impossibleValues(host));
          mustRun(host, 'plugin', plugin.name);
        }),
    },
    {
      name: 'is the same after twenty restarts',
      check: () =>
        clean(async (inside) => {
          let last: Replay | undefined;
          for (let round = 0; round < 20; round++) {
            const run = await start(inside(plugin));
            mustRun(run.host, 'plugin', plugin.name);
            await run.host.stop();
            last = run.replay;
            none(last.open.map((what) => `left open in round ${round + 1}: ${what}`));
          }
          return last!;
        }),
    },
  ];
}

/** Everything but functions and the schema must survive JSON: tools read manifests without running code. */
function plainData(plugin: Plugin): string[] {
  const { name, api, description, stability, platforms, needs, metrics } = plugin;
  const data = { name, api, description, stability, platforms, needs, metrics };
  const same = JSON.stringify(data) === JSON.stringify(JSON.parse(JSON.stringify(data)) as typeof data);
  const functions = Object.values(metrics ?? {}).some((spec) =>
    Object.values(spec).some((v) => typeof v === 'function'),
  );
  return same && !functions ? [] : ['the declaration must be plain data: no functions but setup'];
}

function wrongAccepted(schema: ConfigSchema, refused: readonly Readonly<Record<string, unknown>>[]): string[] {
  return refused
    .filter((wrong) => schema.strict().safeParse(wrong).success)
    .map((wrong) => `config: accepts ${JSON.stringify(wrong)}`);
}

/** Lets timers of 100 ms and shorter come round. */
function turns(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 150));
}
