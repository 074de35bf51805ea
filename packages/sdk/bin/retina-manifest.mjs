#!/usr/bin/env node
// In the repository the tool runs from its source, which Node 22.18 and later execute as it is; a package brings dist.
import { existsSync } from 'node:fs';

const source = new URL('../src/manifest-cli.ts', import.meta.url);
const built = new URL('../dist/manifest-cli.js', import.meta.url);
const { writeManifest } = await import((existsSync(source) && process.features.typescript ? source : built).href);
process.exitCode = await writeManifest(process.cwd());
