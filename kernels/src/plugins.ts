import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { KernelChecks } from '@retina/testkit/kernels';
import type { Manifest } from '@retina/sdk';
import type { PluginTask, Task } from './results.ts';

/** The checkout. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/**
 * Every built plugin of the workspace that has to do with kernels: that has objects, or brings `test/kernels.ts`. Found by
 * their manifests, so that a new plugin changes nothing here.
 */
export function findTask(only: readonly string[] = []): Task {
  const plugins: PluginTask[] = [];
  for (const group of ['plugins', 'examples']) {
    for (const entry of readdirSync(join(ROOT, group)).sort()) {
      const folder = join(ROOT, group, entry);
      const dist = join(folder, 'dist');
      if (!existsSync(join(dist, 'retina.json'))) continue;
      const { kind, name, needs } = JSON.parse(readFileSync(join(dist, 'retina.json'), 'utf8')) as Manifest;
      if (kind !== 'plugin' || (only.length && !only.includes(name))) continue;
      const checks = join(folder, 'test', 'kernels.ts');
      const objects = readdirSync(dist).filter((file) => file.endsWith('.bpf.o')).sort(); // prettier-ignore
      if (!objects.length && !existsSync(checks)) continue;
      plugins.push({
        name,
        folder,
        module: pathToFileURL(join(dist, 'index.js')).href,
        capabilities: needs.capabilities,
        btf: needs.btf === true,
        objects: objects.map((file) => join(dist, file)),
        ...(existsSync(checks) && { checks: pathToFileURL(checks).href }),
      });
    }
  }
  const unknown = only.filter((name) => !plugins.some((plugin) => plugin.name === name));
  if (unknown.length) throw new Error(`Expected names of built plugins but received ${unknown.join(', ')}`);
  return { plugins, agent: pathToFileURL(join(ROOT, 'packages', 'agent', 'dist', 'main.js')).href };
}

/** Programs of the machine that the plugins' checks ask for. */
export async function programsOf(task: Task): Promise<string[]> {
  const names: string[] = [];
  for (const { checks } of task.plugins) {
    if (checks) names.push(...(((await import(checks)) as { default: KernelChecks }).default.programs ?? []));
  }
  return names;
}
