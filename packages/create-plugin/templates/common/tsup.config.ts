import { defineConfig } from 'tsup';

// One module: the agent imports it by the package's name and wants no declarations.
export default defineConfig({ entry: ['src/index.ts'], format: ['esm'], target: 'node22', sourcemap: true });
