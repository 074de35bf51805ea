#!/usr/bin/env node
// Writes the definitions of Retina's kinds: retina-crds [DIRECTORY]. In the repository it runs from its source.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const source = new URL('../src/write-crds.ts', import.meta.url);
const built = new URL('../dist/write-crds.js', import.meta.url);
const { writeCrds } = await import((existsSync(source) && process.features.typescript ? source : built).href);
const target = process.argv[2] ?? fileURLToPath(new URL('../crds', import.meta.url));
for (const file of writeCrds(target)) process.stdout.write(`${file}\n`);
