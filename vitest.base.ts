import { configDefaults, defineConfig } from 'vitest/config';

/** Tests read the sources of every package, never a build. Kernel tests need root; see `tools/test.mjs`. */
export const base = defineConfig({
  resolve: { conditions: ['@retina/source'] },
  ssr: { resolve: { conditions: ['@retina/source'], externalConditions: ['@retina/source'] } },
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    // `npm run test:cluster` has them alone.
    exclude: [...configDefaults.exclude, ...(process.env['RETINA_CLUSTER_TAG'] ? [] : ['**/*.cluster.test.ts'])],
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // What is awaited comes when it comes: the default of one second would be a limit of time on a busy machine.
    expect: { poll: { timeout: 20_000 } },
    passWithNoTests: false,
    pool: 'forks',
    execArgv: ['--conditions=@retina/source'],
    fileParallelism: false,
  },
});
