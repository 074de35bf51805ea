import { run } from '../world/run.ts';

/** Notes what is asked for while modules are imported one after the other. */
const IMPORT = `
import { registerHooks } from 'node:module';
const asked = [];
registerHooks({
  resolve(specifier, context, next) {
    asked.push(specifier);
    return next(specifier, context);
  },
});
for (const module of process.argv.slice(1)) await import(module);
console.log(JSON.stringify(asked));`;

/**
 * What modules (by URL) import, each what it was called: those they import in turn are among them. In a process of its own, so that
 * nothing is there already: for packages that load a library when they are configured, not before.
 */
export async function importsOf(...modules: readonly string[]): Promise<readonly string[]> {
  const conditions = process.execArgv.filter((argument) => argument.startsWith('--conditions='));
  const args = [...conditions, '--input-type=module', '--eval', IMPORT, '--', ...modules];
  const { stdout } = await run(process.execPath, args, { env: { NODE_OPTIONS: '' } });
  return JSON.parse(stdout) as string[];
}
