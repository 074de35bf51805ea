import { agents, kubectl, NAMESPACE } from './cluster.ts';

export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Samples of a text in the Prometheus format. */
export function parse(text: string): readonly Sample[] {
  return text.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line) ?? [];
    if (name === undefined) return [];
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, key, text]) => [key, text] as const);
    return [{ name, labels: Object.fromEntries(pairs) as Record<string, string>, value: Number(value) }];
  });
}

/** What the agent of a node serves, read through the API server. */
export async function scrape(node: string): Promise<readonly Sample[]> {
  const agent = (await agents()).get(node);
  if (!agent) throw new Error(`no agent runs on ${node}`);
  return parse(await kubectl('get', '--raw', `/api/v1/namespaces/${NAMESPACE}/pods/${agent.name}:10093/proxy/metrics`));
}

/** Samples of a family whose labels include `labels`. */
export function select(
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): readonly Sample[] {
  const full = /^(networkobservability|retina|controlplane|process)_/.test(name)
    ? name
    : `networkobservability_${name}`;
  const wanted = Object.entries(labels);
  return samples.filter((one) => one.name === full && wanted.every(([key, value]) => one.labels[key] === value));
}

export function sum(samples: readonly Sample[], name: string, labels?: Readonly<Record<string, string>>): number {
  return select(samples, name, labels).reduce((total, one) => total + one.value, 0);
}
