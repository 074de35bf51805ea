// What a plugin's `test/kernels.ts` uses: everything of the test kit but the suites, which need vitest.
export * from '../agent/index.ts';
export * from '../packets/index.ts';
export * from '../traffic/index.ts';
export * from '../world/index.ts';
export * from './checks.ts';
