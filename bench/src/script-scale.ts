import { median } from './figures.ts';

/** Milliseconds of a fixed piece of JavaScript (integer arithmetic, strings, a map): how fast this machine runs user space. */
export function scriptMs(): number {
  const once = () => {
    const start = performance.now();
    const seen = new Map<string, number>();
    let state = 1;
    for (let i = 0; i < 300_000; i++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      const key = `k${state & 4095}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
    }
    return performance.now() - start;
  };
  return median(Array.from({ length: 7 }, once));
}
