import type { Options } from 'tsup';

/** One build for every package: ESM, declarations, source maps; `src/index.ts` unless a package says otherwise. */
export const base: Options = {
  entry: ['src/index.ts'],
  format: ['esm'],
  target: 'node22',
  dts: true,
  sourcemap: true,
  // chunks of earlier builds; programs and the manifest are other tools' work
  clean: ['!**/*.bpf.*', '!**/retina.json'],
  splitting: true,
};
