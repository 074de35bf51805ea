import { existsSync, readdirSync, readFileSync } from 'node:fs';

const ROOT = new URL('../../../../', import.meta.url);

export interface Target {
  readonly refId: string;
  readonly expr: string;
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly targets?: readonly Target[];
  /** Ours: the boards it belongs to, and why it may have nothing to show. */
  readonly retina?: { readonly boards: readonly string[]; readonly empty?: string };
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly query: string | { readonly query: string };
  readonly regex?: string;
}

export interface Dashboard {
  readonly title: string;
  readonly uid: string;
  readonly schemaVersion: number;
  readonly templating: { readonly list: readonly Variable[] };
  readonly panels: readonly Panel[];
}

/** Dashboards of plugins, agent and operator, by the folder they are in. */
export function sourceBoards(): Map<string, Dashboard> {
  const folders = ['packages/agent', 'packages/operator', ...readdirSync(new URL('plugins', ROOT)).map((n) => `plugins/${n}`)]; // prettier-ignore
  return new Map(
    folders
      .map((folder) => [folder, new URL(`${folder}/dashboard.json`, ROOT)] as const)
      .filter(([, file]) => existsSync(file))
      .map(([folder, file]) => [folder, JSON.parse(readFileSync(file, 'utf8')) as Dashboard]),
  );
}

/** Dashboards as the chart brings them, by file name. */
export function chartBoards(): Map<string, { readonly text: string; readonly board: Dashboard }> {
  const folder = new URL('charts/retina/dashboards/', ROOT);
  const names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  return new Map(
    names.map((name) => {
      const text = readFileSync(new URL(name, folder), 'utf8');
      return [name, { text, board: JSON.parse(text) as Dashboard }];
    }),
  );
}

/** A query as Grafana sends it with everything selected. */
export function filledIn(query: string): string {
  const values: Readonly<Record<string, string>> = { cluster: '.*', instance: '.*', namespace: '.+', pod: '.+', __rate_interval: '15s', __range: '5m' }; // prettier-ignore
  return query.replace(/\$(\w+)/g, (all, name: string) => values[name] ?? all);
}

export const ALERTS_FILE = new URL('charts/retina/files/alerts.yaml', ROOT);

/** Names and expressions of the alerts. */
export function alerts(): { readonly name: string; readonly expr: string; readonly text: string }[] {
  return readFileSync(ALERTS_FILE, 'utf8')
    .split(/^ {6}- alert: /m)
    .slice(1)
    .map((text) => {
      const expr = /^ {8}expr: (?:\|\n([\s\S]*?)(?=^ {8}\w)|(.*))/m.exec(text);
      return { name: text.slice(0, text.indexOf('\n')), expr: (expr?.[1] ?? expr?.[2] ?? '').trim(), text };
    });
}
