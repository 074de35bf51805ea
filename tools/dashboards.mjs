#!/usr/bin/env node
// Writes charts/retina/dashboards/ from the dashboard.json of plugins and of the agent and operator. A panel names the
// boards it belongs to in its own `retina.boards`; Grafana ignores that key. `--check` compares instead.
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ROOT } from './lib/paths.mjs';

const OUT = join(ROOT, 'charts', 'retina', 'dashboards');
const WIDTH = 24;

/** @type {Record<string, {title: string, description: string}>} */
const BOARDS = {
  overview: { title: 'Retina / Overview', description: 'The network of the cluster at a glance.' },
  pods: { title: 'Retina / Pods', description: 'Traffic, drops, DNS and TCP by pod. Needs pod-level metrics.' },
  dns: { title: 'Retina / DNS of the cluster', description: 'Queries, answers, latency, and what is never answered.' },
  drops: { title: 'Retina / Drops of the cluster', description: 'What is dropped, why, where and whose.' },
  'tcp-health': {
    title: 'Retina / TCP of the cluster',
    description: 'Round trips, retransmissions, failures, states.',
  },
  'agent-health': { title: 'Retina / Agent health', description: 'What runs, what is lost on the way, what it costs.' },
};

/** Every dashboard.json, plugins in alphabetical order after agent and operator. */
export function sources() {
  const folders = ['packages/agent', 'packages/operator'];
  for (const dir of ['plugins', 'exporters'])
    folders.push(
      ...readdirSync(join(ROOT, dir))
        .sort()
        .map((name) => `${dir}/${name}`),
    );
  return folders
    .map((folder) => join(ROOT, folder, 'dashboard.json'))
    .filter((file) => existsSync(file))
    .map((file) => JSON.parse(readFileSync(file, 'utf8')));
}

/** One board: a row for each source that has panels for it, and the variables its panels use. */
function compose(name, all) {
  const { title, description } = BOARDS[name];
  const panels = [];
  const variables = new Map();
  let y = 0;
  for (const source of all) {
    const own = source.panels.filter((panel) => panel.retina?.boards.includes(name));
    if (own.length === 0) continue;
    const row = source.title.replace(/^Retina \/ /, '');
    panels.push({ type: 'row', title: row, collapsed: false, gridPos: { h: 1, w: WIDTH, x: 0, y: y++ }, panels: [] });
    let x = 0;
    let height = 0;
    for (const panel of own) {
      const { w, h } = panel.gridPos;
      if (x + w > WIDTH) {
        y += height;
        x = height = 0;
      }
      panels.push({ ...panel, gridPos: { h, w, x, y } });
      x += w;
      height = Math.max(height, h);
    }
    y += height;
    const text = JSON.stringify(own);
    for (const variable of source.templating.list)
      if (variable.name === 'datasource' || text.includes(`$${variable.name}`)) variables.set(variable.name, variable);
  }
  // Grafana fills a variable from those before it.
  const order = ['datasource', 'cluster', 'instance', 'namespace', 'pod'];
  const list = [...variables.values()].sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
  return {
    ...shared(all[0]),
    title,
    uid: `retina-${name}`,
    description,
    links: [{ type: 'dashboards', title: 'Retina', tags: ['retina'], asDropdown: true, includeVars: true }],
    templating: { list },
    panels: panels.map((panel, i) => ({ ...panel, id: i + 1 })),
  };
}

function shared({ schemaVersion, tags, editable, graphTooltip, refresh, time, timezone, annotations }) {
  return { schemaVersion, version: 1, tags, editable, graphTooltip, refresh, time, timezone, annotations };
}

/** Text of each composed dashboard by file name. */
export function dashboards() {
  const all = sources();
  return Object.fromEntries(
    Object.keys(BOARDS).map((name) => [`${name}.json`, `${JSON.stringify(compose(name, all), null, 1)}\n`]),
  );
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  let stale = 0;
  mkdirSync(OUT, { recursive: true });
  for (const [name, text] of Object.entries(dashboards())) {
    const file = join(OUT, name);
    if (!process.argv.includes('--check')) writeFileSync(file, text);
    else if (!existsSync(file) || readFileSync(file, 'utf8') !== text) {
      process.stdout.write(
        `charts/retina/dashboards/${name} is not what the plugins have; run: node tools/dashboards.mjs\n`,
      );
      stale++;
    }
  }
  process.exit(stale ? 1 : 0);
}
