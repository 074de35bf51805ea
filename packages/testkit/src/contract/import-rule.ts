import { patience, run } from '../world/run.ts';
import { must, type Rule } from './rule.ts';

/** Imports the module, asks it for its manifest, and leaves it to the event loop whether the process ends. */
const ASK = `
const { manifestOf } = await import(process.argv[1]);
const { default: definition } = await import(process.argv[2]);
const manifest = manifestOf(definition);
if (JSON.stringify(JSON.parse(JSON.stringify(manifest))) !== JSON.stringify(manifest)) throw new Error('the manifest is no plain data');`;

/**
 * The rule for what is never started: `retina doctor`, charts and `retina-manifest` import a plugin and ask it, nothing more. A
 * process that has done so must end by itself within `limitMs`, and say nothing.
 */
export function importRule(module: string, limitMs = 15_000): Rule {
  return {
    name: 'imported and asked, but never started, it does nothing',
    timeoutMs: 2 * limitMs * patience,
    async check() {
      const conditions = process.execArgv.filter((argument) => argument.startsWith('--conditions='));
      const sdk = import.meta.resolve('@retina/sdk');
      const args = [...conditions, '--input-type=module', '--eval', ASK, '--', sdk, module];
      const { code, stdout, stderr } = await run(process.execPath, args, { timeoutMs: limitMs, mayFail: true, env: { NODE_OPTIONS: '', NODE_NO_WARNINGS: '1' } }); // prettier-ignore
      must(code !== -1, `a process that imports it does not end within ${limitMs / 1000} s: something runs already`);
      must(code === 0, `importing it fails: ${stderr.trim().slice(-1000)}`);
      must(stdout + stderr === '', `importing it writes: ${(stdout + stderr).slice(0, 200)}`);
    },
  };
}
