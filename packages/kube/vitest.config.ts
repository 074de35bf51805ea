import { mergeConfig } from 'vitest/config';
import { base } from '../../vitest.base.ts';

// Tests in the cluster layer start API servers, some of them again.
export default mergeConfig(base, { test: { testTimeout: 120_000, hookTimeout: 120_000 } });
