import { defineConfig } from 'vitest/config';

// The contract starts a host several hundred times, in one process: with other tests beside it, descriptors could not be told apart.
export default defineConfig({
  test: { include: ['src/**/*.test.ts'], pool: 'forks', fileParallelism: false, testTimeout: 30_000 },
});
