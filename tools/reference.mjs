#!/usr/bin/env node
// Writes docs/reference/ from what the built packages declare. `--check` compares instead, for `npm run check`.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './lib/paths.mjs';

const { bucketBounds, ERROR_CODES } = await import(join(ROOT, 'packages/sdk/dist/index.js'));
const { kernelsPage } = await import(join(ROOT, 'kernels/src/page.ts'));
const { configJsonSchema } = await import(join(ROOT, 'packages/core/dist/index.js'));
const OUT = join(ROOT, 'docs', 'reference');
const NOTE = '<!-- Written by tools/reference.mjs from the packages themselves: change those, not this. -->\n\n';

const manifests = ['plugins', 'exporters']
  .flatMap((dir) =>
    readdirSync(join(ROOT, dir))
      .sort()
      .map((name) => [dir, join(ROOT, dir, name, 'dist', 'retina.json')]),
  )
  .filter(([, file]) => existsSync(file))
  .map(([dir, file]) => ({ dir, ...JSON.parse(readFileSync(file, 'utf8')) }));
const plugins = manifests.filter((m) => m.dir === 'plugins');

/** Pages a package, plugin or exporter writes itself: what `docs/reference.mjs` in its folder returns by file name. */
async function ownPages() {
  const own = {};
  for (const dir of ['packages', 'plugins', 'exporters']) {
    for (const name of readdirSync(join(ROOT, dir)).sort()) {
      const file = join(ROOT, dir, name, 'docs', 'reference.mjs');
      if (existsSync(file)) Object.assign(own, (await import(file)).default());
    }
  }
  return own;
}

const pages = {
  ...(await ownPages()),
  'errors.md': `# Error codes\n\nEvery error says what was found, what was needed and what to do next. Its code is one of these.\n\n${table(
    ['code', 'meaning'],
    Object.entries(ERROR_CODES).map(([code, meaning]) => [`\`${code}\``, meaning]),
  )}`,
  'plugins.md': `# Plugins and exporters\n\n${manifests.map(component).join('\n')}`,
  'metrics.md': `# Metrics\n\nPod-level families get further labels from \`metricsConfiguration\` ("context").\n\n${plugins.map(metrics).join('\n')}`,
  'kernels.md': kernelsPage(ROOT),
  'configuration.md': `# Configuration\n\nOne YAML file. Unknown keys are mistakes; all mistakes are reported together. \`RETINA_\` environment variables override.\n\n${options(configJsonSchema())}`,
};

let stale = 0;
mkdirSync(OUT, { recursive: true });
for (const [name, text] of Object.entries(pages)) {
  const file = join(OUT, name);
  const wanted = NOTE + text.trimEnd() + '\n';
  if (process.argv.includes('--check')) {
    if (!existsSync(file) || readFileSync(file, 'utf8') !== wanted) {
      process.stdout.write(`docs/reference/${name} is not what the packages declare; run: node tools/reference.mjs\n`);
      stale++;
    }
  } else writeFileSync(file, wanted);
}
process.exit(stale ? 1 : 0);

function table(head, rows) {
  const cell = (text) =>
    String(text ?? '')
      .replaceAll('|', '\\|')
      .replaceAll('\n', ' ');
  const line = (cells) => `| ${cells.map(cell).join(' | ')} |\n`;
  return line(head) + line(head.map(() => '---')) + rows.map(line).join('');
}

function component(m) {
  const needs = m.needs
    ? `Needs: ${[m.needs.kernel && `Linux ${m.needs.kernel}`, m.needs.btf && 'BTF', ...(m.needs.capabilities ?? []).map((c) => `CAP_${c}`)].filter(Boolean).join(', ') || 'nothing'}. `
    : '';
  const configured =
    m.config?.properties && Object.keys(m.config.properties).length ? `\n${options(m.config)}` : '\nNo options.\n';
  return `## ${m.name}\n\n${m.description} ${needs}Stability: ${m.stability}.\n${configured}`;
}

function metrics(m) {
  const rows = Object.entries(m.metrics ?? {}).map(([name, spec]) => {
    const labels = [
      ...(spec.labels ?? []),
      ...(spec.direction ? ['direction'] : []),
      ...(spec.scope === 'pod' ? ['context'] : []),
    ];
    const type = spec.kind === 'histogram' ? `histogram ${bounds(spec.buckets)}` : spec.kind;
    return [`\`networkobservability_${name}\``, type, labels.join(', '), spec.help];
  });
  return rows.length ? `## ${m.name}\n\n${table(['metric', 'type', 'labels', 'meaning'], rows)}` : '';
}

/** Where a histogram's buckets begin and end, and how they grow. */
function bounds(buckets) {
  const all = bucketBounds(buckets).bounds;
  const number = (value) => Number(value.toPrecision(3));
  const growth = Array.isArray(buckets) ? '' : ` by 2^${1 / 2 ** buckets.scale}`;
  return `${number(all[0])} to ${number(all.at(-1))}${growth}`;
}

/** One row per option, nested ones by path. */
function options(schema) {
  const rows = [];
  const walk = (node, path) => {
    for (const [key, value] of Object.entries(node.properties ?? {})) {
      const at = path ? `${path}.${key}` : key;
      const inner = value.type === 'array' ? value.items : value;
      const set =
        value.default === undefined || (value.type === 'object' && value.properties)
          ? ''
          : `\`${JSON.stringify(value.default)}\``;
      rows.push([`\`${at}\``, typeName(value), set, value.description]);
      if (inner?.properties) walk(inner, value.type === 'array' ? `${at}[]` : at);
    }
  };
  walk(schema, '');
  return table(['key', 'type', 'default', 'meaning'], rows);
}

function typeName(value) {
  if (value.enum) return value.enum.map((v) => `\`${v}\``).join(' ');
  if (value.const !== undefined) return `\`${value.const}\``;
  if (value.anyOf) return value.anyOf.map(typeName).join(' or ');
  if (value.type === 'array') return `list of ${typeName(value.items ?? {})}`;
  return value.type ?? 'text';
}
