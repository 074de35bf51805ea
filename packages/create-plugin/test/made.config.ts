import { defineConfig, mergeConfig } from 'vitest/config';
import { base } from '../../../vitest.base.ts';

/** For packages made from templates, run beside the sources of this repository: what they import is read from there. */
export default mergeConfig(base, defineConfig({ test: { include: ['*/src/**/*.test.ts'] } }));
