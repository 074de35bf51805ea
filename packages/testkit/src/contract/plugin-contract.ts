import { fileURLToPath } from 'node:url';
import type { Plugin } from '@retina/sdk';
import { describe, it } from 'vitest';
import { type KernelTraffic, runInKernel, someTraffic } from './kernel-run.ts';
import { importRule } from './import-rule.ts';
import { type PluginContractOptions, pluginRules } from './plugin-rules.ts';
import { must, none, type Rule } from './rule.ts';

export interface PluginSuiteOptions extends PluginContractOptions {
  /** URL of the module that exports the plugin. With it, and with root, the suite also runs the plugin on the real kernel. */
  readonly module?: string;
  /** Traffic for the run on the kernel. Default: a little of everything. */
  readonly traffic?: KernelTraffic;
}

/**
 * Registers the contract of plugins as vitest tests. Call it in a test file:
 *
 *     pluginContract(plugin, { module: import.meta.resolve('./index.ts'), recording: new URL('../fixtures/x.bin', import.meta.url) });
 *
 * With RETINA_RECORD=1 in the environment and root it writes the recording anew, from the run on the kernel.
 */
export function pluginContract(plugin: Plugin, options: PluginSuiteOptions = {}): void {
  describe(`contract of the plugin ${plugin.name}`, () => {
    if (options.module !== undefined)
      register([importRule(options.module), kernelRule(plugin, options.module, options)]);
    register(pluginRules(plugin, options));
  });
}

export function register(rules: readonly Rule[]): void {
  for (const { name, skip, timeoutMs = 30_000, check } of rules) {
    it.skipIf(skip !== undefined)(skip ? `${name} (${skip})` : name, async () => check(), timeoutMs);
  }
}

/** The rule that needs root: under CI it must be able to run, elsewhere it is left out with the reason. */
export function kernelRule(plugin: Plugin, module: string, options: PluginSuiteOptions = {}): Rule {
  const { recording, traffic = someTraffic } = options;
  const record = recording && process.env['RETINA_RECORD'] ? { record: fileURLToPath(recording) } : {};
  const root = process.getuid?.() === 0 || process.env['CI'] === 'true';
  return {
    name: 'runs on this kernel, and twenty restarts leave no descriptor, program or link',
    skip: root ? undefined : 'needs root',
    timeoutMs: 120_000,
    async check() {
      const found = await runInKernel({ module, options: options.options ?? {}, restarts: 20, ...record }, traffic);
      const { state, causes } = found.health;
      const why = causes.map(({ code, message }) => `${code}: ${message}`).join('; ');
      must(state === 'running', `it is ${state}: ${why}`);
      must(found.handlerErrors === 0, `${found.handlerErrors} calls of its handlers threw: ${found.errors.join('; ')}`);
      none(found.impossible);
      none(grown(found.before, found.afterFirst, 'after the first stop'));
      none(grown(found.before, found.afterLast, 'after twenty restarts'));
    },
  };
}

function grown(
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
  when: string,
): string[] {
  return Object.entries(after)
    .filter(([kind, count]) => count > (before[kind] ?? 0))
    .map(([kind, count]) => `${when}: ${count} descriptors (${kind}), ${before[kind] ?? 0} before the start`);
}
