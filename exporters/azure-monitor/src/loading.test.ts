import { run } from '@retina/testkit';
import { expect, it } from 'vitest';

/** Notes what is asked for while a module is imported. */
const IMPORT = `
import { registerHooks } from 'node:module';
const asked = [];
registerHooks({
  resolve(specifier, context, next) {
    if (/^@(azure|opentelemetry)\\//.test(specifier)) asked.push(specifier);
    return next(specifier, context);
  },
});
for (const module of process.argv.slice(1)) await import(module);
console.log(JSON.stringify(asked));`;

async function asked(...modules: string[]): Promise<string[]> {
  const urls = modules.map((module) => new URL(module, import.meta.url).href);
  const args = ['--conditions=@retina/source', '--input-type=module', '--eval', IMPORT, '--', ...urls];
  const { stdout } = await run(process.execPath, args, { env: { NODE_OPTIONS: '' } });
  return JSON.parse(stdout) as string[];
}

it('the libraries of Azure are loaded with the first instance, not by installing or asking the package', async () => {
  expect(await asked('./index.ts')).toEqual([]);
  expect((await asked('./index.ts', './flows.ts')).length).toBeGreaterThan(0);
});
