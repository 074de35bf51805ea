import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Plugin } from '@retina/sdk';
import { describe, expect, it } from 'vitest';
import { ALERTS_FILE, alerts, chartBoards, filledIn, sourceBoards } from './boards.ts';

const ROOT = new URL('../../../../', import.meta.url);
const promtool = it.runIf(existsSync('/usr/bin/promtool') || process.env['CI'] === 'true');
/** Label names that depend on the configuration, or that Prometheus adds. */
const CONTEXT =
  /^((source|destination)_)?(ip|namespace|podname|workload_kind|workload_name|service|port|zone)$|^(direction|is_reply|le|instance|cluster|job)$/;
const METRIC = /\b((?:networkobservability|controlplane|retina|process|nodejs)_\w+)\s*[{[]/g;

const boards = sourceBoards();
const composed = chartBoards();
const queries = (panels: readonly { targets?: readonly { expr: string }[] }[]) =>
  panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));

it('has a dashboard for every plugin', () => {
  const plugins = readdirSync(new URL('plugins', ROOT)).map((name) => `plugins/${name}`);
  expect(plugins.filter((folder) => !boards.has(folder))).toEqual([]);
});

it('composes what the chart brings, all of it and nothing else', async () => {
  const { dashboards } = (await import(new URL('tools/dashboards.mjs', ROOT).href)) as { dashboards: () => Record<string, string> }; // prettier-ignore
  expect(Object.fromEntries([...composed].map(([name, { text }]) => [name, text]))).toEqual(dashboards());
  const wanted = new Set([...boards.values()].flatMap(({ panels }) => panels.flatMap(({ retina }) => retina?.boards ?? []))); // prettier-ignore
  expect([...wanted].map((name) => `${name}.json`).sort()).toEqual([...composed.keys()].sort());
});

const all = [...boards, ...[...composed].map(([name, { board }]) => [name, board] as const)];
describe.each(all)('%s', (_name, board) => {
  it('is what Grafana takes: ids, places, variables, units', () => {
    expect(board.schemaVersion).toBe(42);
    expect(board.uid).toMatch(/^[a-z0-9-]{1,40}$/);
    const { panels } = board;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const variables = new Set(board.templating.list.map(({ name }) => name));
    const taken = new Set<string>();
    for (const { title, type, datasource, fieldConfig, gridPos, targets = [] } of panels) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
          expect(x, title).toBeLessThan(24);
          expect(taken.has(`${x} ${y}`), `${title} lies on another panel`).toBe(false);
          taken.add(`${x} ${y}`);
        }
      if (type === 'row') continue;
      expect(datasource?.uid, title).toBe('${datasource}');
      expect(fieldConfig?.defaults.unit, title).toBeTruthy();
      expect(targets.length, title).toBeGreaterThan(0);
      expect(new Set(targets.map(({ refId }) => refId)).size, title).toBe(targets.length);
      for (const { expr } of targets) {
        for (const [, name] of expr.matchAll(/\$([a-z]\w*)/g)) expect(variables, expr).toContain(name);
        expect(filledIn(expr), title).not.toContain('$');
      }
    }
  });
});

it('has no two dashboards of one name', () => {
  expect(new Set(all.map(([, { uid }]) => uid)).size).toBe(all.length);
  expect(new Set(all.map(([, { title }]) => title)).size).toBe(all.length);
});

const plugins = [...boards].filter(([folder]) => folder.startsWith('plugins/'));
it.each(plugins)('%s shows metrics and labels that the plugin declares', async (folder, { panels }) => {
  const { default: plugin } = (await import(new URL(`${folder}/src/index.ts`, ROOT).href)) as { default: Plugin };
  const declared = new Map(Object.entries(plugin.metrics).map(([key, spec]) => [`networkobservability_${key}`, spec]));
  for (const expr of queries(panels)) {
    const specs = [...expr.matchAll(METRIC)].map(([, name]) => declared.get(name!) ?? declared.get(name!.replace(/_(bucket|sum|count)$/, ''))); // prettier-ignore
    expect(specs.length, expr).toBeGreaterThan(0);
    expect(specs, expr).not.toContain(undefined);
    const labels = new Set(specs.flatMap((spec) => spec?.labels ?? []));
    const used = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list]) =>
      list!.split(',').map((label) => label.trim()),
    );
    for (const [, label] of expr.matchAll(/(\w+)(?:=~|!=|!~|=)"/g)) used.push(label!);
    expect(
      used.filter((label) => !labels.has(label) && !CONTEXT.test(label)),
      expr,
    ).toEqual([]);
  }
});

describe('alerts', () => {
  const tests = fileURLToPath(new URL('../alerts/alerts.promtool.yaml', import.meta.url));

  promtool('fire when they should, and not else', () => {
    expect(execFileSync('promtool', ['check', 'rules', fileURLToPath(ALERTS_FILE)], { encoding: 'utf8' })).toContain(`SUCCESS: ${alerts().length} rules`); // prettier-ignore
    expect(execFileSync('promtool', ['test', 'rules', tests], { encoding: 'utf8' })).toContain('SUCCESS');
  });

  it('are each tested, explained, and lead to their explanation', () => {
    const page = readFileSync(new URL('docs/how-to/alerts.md', ROOT), 'utf8');
    const tested = readFileSync(tests, 'utf8');
    expect(alerts().length).toBeGreaterThan(10);
    for (const { name, text } of alerts()) {
      expect(text, name).toContain(`runbook_url: docs/how-to/alerts.md#${name.toLowerCase()}\n`);
      for (const key of ['severity:', 'summary:', 'description:']) expect(text, name).toContain(key);
      expect(page).toContain(`\n### ${name}\n`);
      expect(tested, name).toContain(`alertname: ${name}`);
    }
  });
});
