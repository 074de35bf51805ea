import path from 'node:path';
import { type BpfHandle, type Flows, type Plugin, type PluginContext, type Taps } from '@retina/sdk';
import { parseOptions } from '../config/options.ts';
import type { ComponentConfig } from '../config/schema.ts';
import type { FlowPipeline } from '../flows/pipeline.ts';
import type { EndpointTable } from '../identity/table.ts';
import type { AddressNameTable } from '../node/address-names.ts';
import type { ConfiguredApiServers } from '../node/api-servers.ts';
import type { MetricStore } from '../metrics/store.ts';
import type { TapService } from '../taps/service.ts';
import { GuardedHandle } from './bpf-handle.ts';
import type { ComponentSteps, Run } from './run.ts';
import type { FlowSources } from './flow-sources.ts';
import type { NativePart } from './kernel.ts';
import { unmet } from './needs.ts';
import { pluginApiServers, pluginDevices, pluginNames, pluginNetlink } from './node-access.ts';

/** What of the host a plugin's context is made of. */
export interface PluginServices {
  readonly native: NativePart;
  readonly taps: TapService | undefined;
  readonly store: MetricStore;
  readonly endpoints: EndpointTable;
  readonly pipeline: FlowPipeline;
  readonly sources: FlowSources;
  readonly apiServers: ConfiguredApiServers;
  readonly names: AddressNameTable;
}

/** The life of a plugin, in the terms of the component runner. */
export function pluginSteps(
  name: string,
  config: ComponentConfig,
  rank: () => number,
  load: () => Promise<Plugin>,
  services: PluginServices,
): ComponentSteps<Plugin> {
  return {
    load,
    validate(plugin) {
      parseOptions(name, plugin.config, config);
      services.store.open(plugin.name, plugin.metrics)[Symbol.dispose]();
    },
    probe: (plugin) => unmet(name, plugin.needs, plugin.platforms, services.native.kernel),
    async setup(plugin, run) {
      await plugin.setup(pluginContext(name, config, rank, plugin, run, services));
    },
  };
}

function pluginContext(
  name: string,
  config: ComponentConfig,
  rank: () => number,
  plugin: Plugin,
  run: Run,
  services: PluginServices,
): PluginContext<Record<string, unknown>, Plugin['metrics']> {
  const { scope } = run;
  const { store, native, endpoints, pipeline } = services;
  const labels = store.labels.domain(plugin.name);
  return {
    signal: scope.signal,
    log: scope.log,
    use: (resource) => scope.use(resource),
    defer: (release) => scope.defer(release),
    every: (ms, task) => scope.every(ms, task),
    degrade: (cause) => scope.degrade(cause),
    config: Object.freeze(parseOptions(name, plugin.config, config)),
    metrics: scope.use(store.open(plugin.name, plugin.metrics)).instruments,
    kernel: native.kernel,
    taps: pluginTaps(rank, run, services),
    flows: pluginFlows(plugin.name, services),
    endpoints,
    netlink: pluginNetlink(run, native),
    devices: pluginDevices(native),
    apiServers: pluginApiServers(run, services.apiServers),
    names: pluginNames(services.names),
    translations: pipeline.translations,
    label: (text) => labels.id(text),
    labelText: (id) => store.labels.text(id),
    async bpf(object, options = {}): Promise<BpfHandle> {
      if (!native.loader || !services.taps) throw native.missing!;
      const file = path.basename(object.pathname);
      scope.step = `loading ${file}`;
      using spec = native.loader.openObject(object);
      const { reuseMaps, defaults, constants } = scope.use(services.taps.share(spec, file));
      const all = { ...defaults, ...options.constants, ...constants };
      const loading = spec.load({ ...options, constants: all, reuseMaps });
      const loaded = scope.use(await scope.kernelWorks(loading));
      scope.step = `after loading ${file}`;
      return new GuardedHandle(loaded, plugin.name, run, services.taps, services.sources);
    },
  };
}

function pluginFlows(name: string, { pipeline, sources }: PluginServices): Flows {
  const source = pipeline.source(name);
  return {
    get selecting() {
      return source.selecting;
    },
    emit: source.emit,
    resolve: source.resolve,
    annotate: (annotation) => sources.annotate(annotation),
  };
}

function pluginTaps(rank: () => number, run: Run, { taps, native }: PluginServices): Taps {
  return {
    attach(handle, program) {
      if (!(handle instanceof GuardedHandle)) throw new TypeError('taps.attach needs a handle that ctx.bpf returned');
      if (!taps) throw native.missing!;
      const attached = taps.attach(handle.object, program.name, rank, (cause) => run.condition('taps', cause));
      return run.scope.own(`taps of ${program.name}`, () => attached[Symbol.dispose]());
    },
    list: () => taps?.list() ?? [],
    watch(listener) {
      const guarded = run.guard.wrap(listener);
      const watching = taps?.watch(guarded);
      return run.scope.own('a watch on taps', () => watching?.[Symbol.dispose]());
    },
  };
}
