import { describe, expect, it } from 'vitest';
import { kernelRule } from '../src/index.ts';

const kernel = describe.runIf(process.getuid?.() === 0 || process.env['CI'] === 'true');

async function verdict(name: string): Promise<unknown> {
  const module = new URL(`broken/${name}.ts`, import.meta.url).href;
  const { default: plugin } = (await import(/* @vite-ignore */ module)) as { default: Parameters<typeof kernelRule>[0] };
  return Promise.resolve(kernelRule(plugin, module, { traffic: () => new Promise((done) => setTimeout(done, 1200)) }).check()).then(
    () => 'kept',
    (error: unknown) => (error as Error).message,
  );
} // prettier-ignore

kernel('the rule of the kernel', () => {
  it.each([
    ['fine', /^kept$/],
    ['keeps-a-file', /^after the first stop: \d+ descriptors \(file\)/],
    ['throws-on-events', /calls of its handlers threw: [^]*always/],
  ])(
    '%s: %s',
    async (name, expected) => {
      expect(await verdict(name)).toMatch(expected);
    },
    60_000,
  );
});
