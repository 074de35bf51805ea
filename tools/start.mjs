#!/usr/bin/env node
// npm start: from a fresh clone to an agent that observes this host. Flags behind `--` go to the agent.
import { join } from 'node:path';
import { NODE, ROOT } from './lib/paths.mjs';
import { become } from './lib/run.mjs';
import { setup } from './lib/setup.mjs';

const env = await setup();
// A young generation of 1 MiB: what the agent allocates dies at once, and 10 MiB stay with the host.
become(
  NODE,
  ['--max-semi-space-size=1', join(ROOT, 'packages', 'agent', 'dist', 'main.js'), ...process.argv.slice(2)],
  env,
);
