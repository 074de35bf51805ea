import type { Limits } from './types.ts';

export const LIMITS: Limits = {
  setupMs: 10_000,
  handlerMs: 50,
  failures: 5,
  slow: 10,
  restartMs: 1000,
  restartMaxMs: 60_000,
  releaseMs: 5000,
};
