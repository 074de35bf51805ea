#!/usr/bin/env node
// In the repository the tool runs from its source, which Node 22.18 and later execute as it is; a package brings dist.
import { existsSync } from 'node:fs';

const source = new URL('../src/cli.ts', import.meta.url);
const built = new URL('../dist/cli.js', import.meta.url);
if (existsSync(source) && process.features.typescript) {
  await import(source.href);
} else if (existsSync(built)) {
  await import(built.href);
} else {
  console.error(
    `retina-bpf: Node ${process.versions.node} cannot run the tool's source; needed: 22.18 or newer; next: run it through pnpm (pnpm exec retina-bpf).`,
  );
  process.exitCode = 1;
}
