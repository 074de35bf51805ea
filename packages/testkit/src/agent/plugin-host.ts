import { fileURLToPath } from 'node:url';
import type { FlowJson } from '@retina/core';
import type { Health, Tap } from '@retina/sdk';
import type { Namespace } from '../world/namespace.ts';
import { patience, type Running } from '../world/run.ts';
import { MetricText } from './metric-text.ts';

export interface PluginHostOptions {
  /** Where it runs: its taps are the interfaces there. */
  readonly in: Namespace;
  /** Plugins by module, each with its options, in the order in which they stand on the taps. */
  readonly plugins: readonly (readonly [module: URL, options?: Readonly<Record<string, unknown>>])[];
  /** More of the configuration: `taps`, `metricsConfiguration`, … */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Take plugins that are degraded, too. Default false: they must run. */
  readonly degraded?: boolean;
  /** Keep flow records for `flows()`. Default true; false where there are so many that keeping them costs more than the plugins. */
  readonly keepFlows?: boolean;
  /** False: programs that go by the kernel's types (tp_btf, fentry) are refused, as some kernels do. Default true: the kernel decides. */
  readonly typed?: boolean;
}

/** A host with some plugins in a network namespace, and nothing else of an agent: for kernel tests of plugins. Needs root. */
export class PluginHost implements AsyncDisposable {
  readonly running: Running;
  private asked = 0;

  private constructor(running: Running) {
    this.running = running;
  }

  /** Returns once every plugin has started. Throws, with what it logged, if one has not. */
  static async start(options: PluginHostOptions): Promise<PluginHost> {
    const plugins = Object.fromEntries(options.plugins.map(([module, own]) => [fileURLToPath(module), own ?? {}]));
    const config = JSON.stringify({ ...options.config, plugins, exporters: {} });
    const conditions = process.execArgv.filter((arg) => arg.startsWith('--conditions='));
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const child = fileURLToPath(new URL(`plugin-host-child.${extension}`, import.meta.url));
    const running = options.in.spawn(process.execPath, [
      ...conditions,
      child,
      config,
      String(options.keepFlows ?? true),
      String(options.typed ?? true),
    ]);
    const host = new PluginHost(running);
    try {
      await running.output(/^ready$/m);
      const { components } = await host.health();
      const good = (state: string) => state === 'running' || (options.degraded === true && state === 'degraded');
      const bad = components.filter(({ state }) => !good(state));
      if (bad.length) throw new Error(`Expected plugins to run but found ${JSON.stringify(bad)}:\n${running.stderr}`);
    } catch (error) {
      await host[Symbol.asyncDispose]();
      throw error;
    }
    return host;
  }

  async metrics(): Promise<MetricText> {
    return new MetricText((await this.ask('metrics')) as string);
  }

  /** Flow records since the last call. */
  async flows(): Promise<readonly FlowJson[]> {
    return (await this.ask('flows')) as FlowJson[];
  }

  async taps(): Promise<readonly Tap[]> {
    return (await this.ask('taps')) as Tap[];
  }

  async health(): Promise<Health> {
    return (await this.ask('health')) as Health;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.running.process.stdin?.end();
    const late = setTimeout(() => this.running.kill('SIGKILL'), 6000 * patience);
    await this.running.ended;
    clearTimeout(late);
  }

  private async ask(question: string): Promise<unknown> {
    const id = `#${++this.asked}`;
    this.running.stdout = '';
    this.running.process.stdin?.write(`${id} ${question}\n`);
    const [, answer] = await this.running.output(new RegExp(`^${id} (.*)\n`, 'm'));
    return JSON.parse(answer!) as unknown;
  }
}
