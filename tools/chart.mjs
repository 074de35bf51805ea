#!/usr/bin/env node
// What the chart holds that is made from something else: plugins' needs, the schema of its values, CRDs, the page of its
// values. Needs a built tree. With --check: says what is out of date, and changes nothing.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createRequire } from 'node:module';
import { valuesPage } from './chart/page.mjs';
import { valuesSchema } from './chart/schema.mjs';
import { readValues } from './chart/values.mjs';
import { ROOT } from './lib/paths.mjs';

const CHART = join(ROOT, 'charts', 'retina');
const CRDS = join(ROOT, 'packages', 'kube', 'crds');
const check = process.argv.includes('--check');
const prettier = createRequire(join(ROOT, 'package.json'))('prettier');

const manifests = readdirSync(join(ROOT, 'plugins'))
  .map((name) => join(ROOT, 'plugins', name, 'dist', 'retina.json'))
  .filter(existsSync)
  .map((file) => JSON.parse(readFileSync(file, 'utf8')));
const { configJsonSchema } = await import(pathToFileURL(join(ROOT, 'packages', 'core', 'dist', 'index.js')).href);
const entries = readValues(join(CHART, 'values.yaml'));
const needs = Object.fromEntries(
  manifests.filter(({ platforms }) => platforms.includes('linux')).map(({ name, needs }) => [name, needs]),
);

const files = {
  'charts/retina/files/needs.json': JSON.stringify(needs),
  'charts/retina/values.schema.json': JSON.stringify(valuesSchema(entries, { manifests, config: configJsonSchema() })),
  'docs/how-to/helm-values.md': valuesPage(entries, manifests),
};
const crds = existsSync(CRDS) ? readdirSync(CRDS).filter((name) => name.endsWith('.yaml')) : [];
for (const name of crds) files[`charts/retina/files/crds/${name}`] = readFileSync(join(CRDS, name), 'utf8');

const stale = [];
const copies = join(CHART, 'files', 'crds');
for (const name of existsSync(copies) ? readdirSync(copies) : []) {
  if (crds.includes(name)) continue;
  stale.push(`charts/retina/files/crds/${name}`);
  if (!check) rmSync(join(copies, name));
}
for (const [name, text] of Object.entries(files)) {
  const path = join(ROOT, name);
  const options = await prettier.resolveConfig(path);
  const content = await prettier.format(text, { ...options, filepath: path });
  if (existsSync(path) && readFileSync(path, 'utf8') === content) continue;
  stale.push(name);
  if (check) continue;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
}
if (check && stale.length) process.stderr.write(`out of date: ${stale.join(', ')}\n  next: node tools/chart.mjs\n`);
process.exitCode = check && stale.length ? 1 : 0;
