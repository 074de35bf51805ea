import {
  RetinaError,
  type ComponentHealth,
  type Exporter,
  type FlowReader,
  type Health,
  type HostFacts,
  type Logger,
  type Plugin,
} from '@retina/sdk';
import type { ComponentConfig, Config } from '../config/schema.ts';
import { ExportMetrics } from '../export/export-metrics.ts';
import { instanceOf } from '../export/instance.ts';
import { PUSH_LIMITS } from '../export/limits.ts';
import type { AgentMetrics } from './agent-metrics.ts';
import { Component, type ComponentEvents } from './component.ts';
import { exporterSteps, over } from './exporter-steps.ts';
import { withFields } from './logger.ts';
import { pluginSteps, type PluginServices } from './plugin-steps.ts';

import { resolve, type Kind, type ResolveOptions } from './resolve.ts';
import type { Limits, ReconcileReport } from './types.ts';

export interface ComponentSetServices {
  readonly limits: Limits;
  readonly log: Logger;
  readonly agent: AgentMetrics;
  readonly resolve: ResolveOptions;
  readonly plugin: PluginServices;
  readonly facts: HostFacts;
  readonly flows: FlowReader;
  health(): Health;
  changed(health: ComponentHealth): void;
}

interface Entry {
  readonly component: Component;
  /** What of the configuration it was made from: another text means another component. */
  readonly print: string;
}

/** Every plugin and exporter of the host, by the configuration's names. */
export class ComponentSet {
  private readonly services: ComponentSetServices;
  private readonly entries = new Map<string, Entry>();
  /** Which configuration name runs a definition, by kind and the definition's own name. */
  private readonly claims = new Map<string, string>();
  private readonly events: ComponentEvents;
  private readonly exports: ExportMetrics;
  private readonly away = new Map<string, Disposable>();
  /** Plugins as the configuration lists them. */
  private order: readonly string[] = [];
  private deadline = Infinity;
  private cut: () => void = () => undefined;
  private readonly wasCut = new Promise<void>((done) => (this.cut = done));

  constructor(services: ComponentSetServices) {
    this.services = services;
    this.exports = new ExportMetrics(services.plugin.store);
    const { agent, log } = services;
    this.events = {
      state(component) {
        const health = component.health();
        if (component.shownAs !== component.name) agent.forget(component.kind, component.name);
        agent.state(component.kind, component.shownAs, component.state);
        if (component.state === 'failed') {
          const failures = agent.of.controlplane_networkobservability_plugin_manager_failed_to_reconcile;
          if (component.kind === 'plugin') failures.add(1, agent.label(component.shownAs));
        }
        log.debug('state', { ...health });
        services.changed(health);
      },
      timed: ({ kind, shownAs }, seconds) =>
        agent.of.retina_handler_seconds.observe(seconds, agent.label(kind), agent.label(shownAs)),
      threw: ({ kind, shownAs }) =>
        agent.of.retina_handler_errors_total.add(1, agent.label(kind), agent.label(shownAs)),
      lost: ({ shownAs }, records) => agent.lost('handler', shownAs, records),
      restarted: ({ kind, shownAs }) =>
        agent.of.retina_component_restarts_total.add(1, agent.label(kind), agent.label(shownAs)),
    };
  }

  health(): readonly ComponentHealth[] {
    return [...this.entries.values()].map(({ component }) => component.health());
  }

  requiredRun(): boolean {
    return [...this.entries.values()].every(
      ({ component: { required, state } }) => !required || state === 'running' || state === 'degraded',
    );
  }

  definition(kind: Kind, name: string): Plugin | Exporter | undefined {
    return this.entries.get(`${kind} ${name}`)?.component.definition;
  }

  /** Ends what is no longer wanted, then starts what is new or has changed, all at once; a slow one holds up no other. */
  async apply(config: Config): Promise<Omit<ReconcileReport, 'pending'>> {
    const report = {
      started: [] as string[],
      restarted: [] as string[],
      stopped: [] as string[],
      unchanged: [] as string[],
    };
    const wanted = new Map<string, Entry & { readonly required: boolean }>();
    Object.entries(config.plugins).forEach(([name, part]) => {
      const print = JSON.stringify([part.options, part.inherited]);
      wanted.set(`plugin ${name}`, { component: this.plugin(name, part), print, required: part.required });
    });
    for (const [name, part] of Object.entries(config.exporters)) {
      const interval = part.export?.push?.interval ?? config.metricsIntervalMs;
      const print = JSON.stringify([part.options, part.inherited, part.export, interval]);
      const component = this.exporter(name, part, config.metricsIntervalMs);
      wanted.set(`exporter ${name}`, { component, print, required: part.required });
    }
    const ending: Promise<void>[] = [];
    for (const [key, { component, print }] of this.entries) {
      const next = wanted.get(key);
      if (next?.print === print) {
        component.required = next.required;
        wanted.delete(key);
        report.unchanged.push(key);
        continue;
      }
      report[next ? 'restarted' : 'stopped'].push(key);
      ending.push(this.release(key, component, next === undefined));
    }
    await Promise.all(ending);
    this.order = Object.keys(config.plugins);
    this.services.plugin.taps?.reorder();
    const starting: Promise<void>[] = [];
    for (const [key, { component, print }] of wanted) {
      if (!report.restarted.includes(key)) report.started.push(key);
      this.entries.set(key, { component, print });
      this.services.agent.state(component.kind, component.name, component.state);
      starting.push(component.start());
    }
    await Promise.race([Promise.all(starting), this.wasCut]);
    return report;
  }

  /** Makes a start that is under way return at once. */
  cutShort(): Promise<void> {
    this.cut();
    return this.wasCut;
  }

  /** Ends every plugin, then every exporter. Both together are done at `deadline`, or no longer waited for. */
  async stop(deadline: number): Promise<void> {
    const total = deadline - Date.now();
    for (const [kind, share] of [
      ['plugin', 0.5],
      ['exporter', 0.9],
    ] as const) {
      this.deadline = deadline - total * (1 - share);
      const all = [...this.entries.values()].filter(({ component }) => component.kind === kind);
      await Promise.all(all.map(({ component }) => component.stop(Math.max(1, this.deadline - Date.now()))));
    }
  }

  private async release(key: string, component: Component, forGood: boolean): Promise<void> {
    const { agent, limits, plugin } = this.services;
    await component.stop(limits.releaseMs);
    this.entries.delete(key);
    for (const [claim, holder] of this.claims) {
      if (holder === component.name && claim.startsWith(component.kind)) this.claims.delete(claim);
    }
    if (!forGood) return;
    agent.forget(component.kind, component.shownAs);
    if (component.kind === 'plugin') plugin.store.remove(component.shownAs);
    else over(this.away, component.shownAs);
  }

  private plugin(name: string, part: ComponentConfig): Component {
    const load = () => this.load('plugin', name) as Promise<Plugin>;
    const rank = () => (this.order.includes(name) ? this.order.indexOf(name) : Infinity);
    return this.component('plugin', name, part, pluginSteps(name, part, rank, load, this.services.plugin));
  }

  private exporter(name: string, part: ComponentConfig, intervalMs: number): Component {
    const { store, endpoints, pipeline } = this.services.plugin;
    const load = () => this.load('exporter', name) as Promise<Exporter>;
    const steps = exporterSteps(name, part, { ...PUSH_LIMITS, intervalMs }, load, {
      store,
      endpoints,
      pipeline,
      metrics: this.services.agent,
      exports: this.exports,
      facts: this.services.facts,
      flows: this.services.flows,
      away: this.away,
      health: () => this.services.health(),
      flushMs: () => Math.min(this.services.limits.releaseMs, this.deadline - Date.now()) * 0.8,
    });
    return this.component('exporter', name, part, steps);
  }

  private component<D extends Plugin | Exporter>(
    kind: Kind,
    name: string,
    part: ComponentConfig,
    steps: ConstructorParameters<typeof Component<D>>[3],
  ): Component {
    const { limits, log } = this.services;
    const component = new Component<D>(
      kind,
      name,
      part.required,
      steps,
      limits,
      withFields(log, { [kind]: name }),
      this.events,
    );
    return component;
  }

  private async load(kind: Kind, name: string): Promise<Plugin | Exporter> {
    const definition = await resolve(kind, name, this.services.resolve);
    const claim = `${kind} ${definition.name}${kind === 'exporter' ? instanceOf(name).suffix : ''}`;
    const holder = this.claims.get(claim);
    if (holder !== undefined && holder !== name) {
      throw new RetinaError('RETINA_PLUGIN_INVALID', `the ${kind} ${name} runs already`, {
        found: `${holder} in the configuration is the same ${kind} (${definition.name})`,
        needed: kind === 'exporter' ? 'each once, or under names such as otlp/east' : 'each once',
        next: 'remove one of the two',
      });
    }
    this.claims.set(claim, name);
    return definition;
  }
}
