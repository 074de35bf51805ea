import { defineConfig } from 'vitest/config';

/** Every package at once; `tools/test.mjs` runs it twice, once per layer. */
export default defineConfig({
  test: { projects: ['bench', 'bpf', 'packages/*', 'plugins/*', 'exporters/*', 'examples/*', 'cluster'] },
});
