import { mergeConfig } from 'vitest/config';
import { base } from '../vitest.base.ts';

export default mergeConfig(base, { test: { testTimeout: 120_000, hookTimeout: 180_000 } });
