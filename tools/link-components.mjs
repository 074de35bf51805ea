#!/usr/bin/env node
// After every `pnpm install`: puts each plugin and exporter of the workspace into the root's node_modules. The host imports
// them by the name in the configuration, so no package.json names them, and a new one needs no change outside its folder.
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { ROOT } from './lib/paths.mjs';

const MODULES = join(ROOT, 'node_modules');

for (const kind of ['plugins', 'exporters']) {
  for (const folder of readdirSync(join(ROOT, kind))) {
    const manifest = join(ROOT, kind, folder, 'package.json');
    if (!existsSync(manifest)) continue;
    const link = join(MODULES, JSON.parse(readFileSync(manifest, 'utf8')).name);
    const target = relative(dirname(link), dirname(manifest));
    const there = lstatSync(link, { throwIfNoEntry: false });
    if (there?.isSymbolicLink() && readlinkSync(link) === target) continue;
    if (there) rmSync(link, { recursive: true });
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(target, link);
  }
}

// Those whose folder is gone.
const scope = join(MODULES, '@retina');
for (const name of existsSync(scope) ? readdirSync(scope) : []) {
  if (!existsSync(join(scope, name))) rmSync(join(scope, name));
}
