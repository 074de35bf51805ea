import { setTimeout as sleep } from 'node:timers/promises';
import type { Plugin } from '@retina/sdk';
import { expect, it } from 'vitest';
import fine from '../../test/broken/fine.ts';
import { importRule } from './import-rule.ts';
import { pluginContract } from './plugin-contract.ts';
import { pluginRules } from './plugin-rules.ts';

const FINE = new URL('../../test/broken/fine.ts', import.meta.url).href;

pluginContract(fine, { module: FINE, refused: [{ pollMs: 1 }] });

const setups = (setup: Plugin['setup']): Plugin => ({ ...fine, setup });

/** Names of the rules it breaks, and why. */
async function broken(plugin: Plugin): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {};
  for (const rule of pluginRules(plugin)) {
    await Promise.resolve()
      .then(() => rule.check())
      .catch((error: unknown) => (found[rule.name] = (error as Error).message));
  }
  return found;
}

it('finds what goes on when it is stopped while it starts, and only then', async () => {
  const plugin = setups(async (ctx) => {
    await sleep(5);
    const timer = setInterval(() => undefined, 1000);
    // Too late where the scope has ended already: nobody is told of an abort that was.
    ctx.signal.addEventListener('abort', () => clearInterval(timer));
  });
  expect(await broken(plugin)).toEqual({ 'can be stopped while it starts': 'left behind: 1 × timer' });
});

it('finds what works a few times only', async () => {
  let starts = 0;
  const plugin = setups(() => {
    if (++starts > 15) throw new Error('too often');
  });
  expect(await broken(plugin)).toEqual({ 'is the same after twenty restarts': expect.stringContaining('too often') });
});

it('finds a declaration that is no plain data', async () => {
  const help = { toString: () => 'What it is.', trim: () => 'What it is.', includes: () => false };
  const metrics = { looks_total: { kind: 'counter', help: 'How often it looked.', text: () => help } };
  const rules = await broken({ ...fine, metrics } as unknown as Plugin);
  expect(rules['its manifest is right']).toContain('plain data');
});

it.each([
  ['runs-at-import', 'something runs already'],
  ['talks-at-import', 'importing it writes: hello'],
  ['fails-at-import', 'not on this machine'],
])('finds a module that does something when it is imported: %s', async (name, why) => {
  const module = new URL(`../../test/broken/${name}.ts`, import.meta.url).href;
  await expect(importRule(module, 5000).check()).rejects.toThrow(why);
});
