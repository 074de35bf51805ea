import { hostname } from 'node:os';
import { PROTOCOLS, TOP_WINDOW_SECONDS, type Host, type TopEnd } from '@retina/core';
import { RetinaError } from '@retina/sdk';
import { FlowLines } from './flow-lines.ts';
import type { ApiSource } from './api/server.ts';
import type { AgentStatus, ConnectionRow, DropRow, Loss, Talker, TapReport, TopKind, TopReport } from './api/types.ts';
import { Rates } from './rates.ts';
import { TopOnDemand } from './top-on-demand.ts';

const DEFAULT_ROWS = 20;
const MAX_ROWS = 1000;

export interface ViewOptions {
  readonly host: Host;
  readonly version: string;
  /** File the configuration came from, or `built-in`. */
  readonly configuration: string;
  readonly demo: boolean;
}

/** What people are shown of a running host: by the local API and by the live screen. */
export class AgentView implements ApiSource, Disposable {
  private readonly options: ViewOptions;
  private readonly host: Host;
  private readonly talk: TopOnDemand;
  private readonly lines: FlowLines;
  private readonly rates: Rates;
  private readonly started = Date.now() - process.uptime() * 1000;

  constructor(options: ViewOptions) {
    this.options = options;
    const { host } = options;
    this.host = host;
    this.talk = new TopOnDemand(host);
    this.lines = new FlowLines(host);
    this.rates = new Rates(host.metrics);
  }

  [Symbol.dispose](): void {
    this.talk[Symbol.dispose]();
    this.lines[Symbol.dispose]();
    this.rates[Symbol.dispose]();
  }

  status(): AgentStatus {
    const { host, options } = this;
    const health = host.health();
    const stats = host.sources.stats().map((source) => source.stats);
    const sum = (key: 'packets' | 'bytes' | 'flows') => stats.reduce((total, one) => total + one[key], 0);
    return {
      version: options.version,
      pid: process.pid,
      host: hostname(),
      kernel: host.kernel.release,
      started: new Date(this.started).toISOString(),
      uptimeSeconds: process.uptime(),
      configuration: options.configuration,
      demo: options.demo,
      ...health,
      taps: this.taps(),
      endpoints: health.components.flatMap((component) => component.serves ?? []).map(reachable),
      losses: this.losses(),
      unparsed: this.unparsed(),
      attributed: { packets: sum('packets'), bytes: sum('bytes') },
      flows: sum('flows'),
      process: { rssBytes: process.memoryUsage.rss(), cpuRatio: this.rates.cpuRatio },
    };
  }

  config(): unknown {
    return this.host.config;
  }

  taps(): readonly TapReport[] {
    return this.host.tapList();
  }

  flows(query: URLSearchParams) {
    return this.lines.open(query);
  }

  top(kind: TopKind, query: URLSearchParams): TopReport {
    const limit = rows(query);
    switch (kind) {
      case 'talkers':
        return { kind, windowSeconds: this.talk.get().windowSeconds, rows: this.talkers(limit) };
      case 'drops':
        return { kind, windowSeconds: TOP_WINDOW_SECONDS, rows: this.drops(limit) };
      case 'connections':
        return { kind, windowSeconds: this.talk.get().windowSeconds, rows: this.connections(limit) };
    }
  }

  talkers(limit: number): Talker[] {
    const top = this.talk.get();
    const seconds = top.windowSeconds;
    return top.talkers(limit).map(({ source, destination, bytes, packets }) => ({
      source: this.name(source),
      destination: this.name(destination),
      bytesPerSecond: bytes / seconds,
      packetsPerSecond: packets / seconds,
      bytes,
      packets,
    }));
  }

  drops(limit: number): readonly DropRow[] {
    return this.rates.drops().slice(0, limit);
  }

  private connections(limit: number): ConnectionRow[] {
    const now = Date.now();
    return this.talk
      .get()
      .connections(limit)
      .map(({ source, destination, protocol, firstSeen, ...rest }) => ({
        ...rest,
        protocol: PROTOCOLS[protocol] ?? String(protocol),
        source: this.name(source),
        destination: this.name(destination),
        ageSeconds: Math.max(0, (now - firstSeen) / 1000),
      }));
  }

  private name({ endpoint, address }: TopEnd): string {
    const { namespace, name } = this.host.endpoints.recall(endpoint);
    if (!name) return address;
    return namespace ? `${namespace}/${name}` : name;
  }

  private losses(): Loss[] {
    const losses: Loss[] = [];
    for (const { component, stats } of this.host.sources.stats()) {
      const { overflowPackets, overflowBytes } = stats;
      losses.push({ stage: `${component} full`, unit: 'packets', count: overflowPackets, bytes: overflowBytes });
    }
    const lost = this.host.metrics.family('retina_lost_records_total');
    for (let row = 0; lost && row < lost.size; row++) {
      if (!lost.live(row)) continue;
      losses.push({ stage: `${lost.label(row, 1)} ${lost.label(row, 0)}`, unit: 'records', count: lost.value(row) });
    }
    losses.push({ stage: 'top', unit: 'records', count: this.talk.untracked });
    const damaged = this.host.disk.archive?.damaged ?? 0;
    if (damaged > 0) losses.push({ stage: 'flow history damaged', unit: 'blocks', count: damaged });
    losses.push({ stage: 'slow readers', unit: 'records', count: this.lines.lost });
    return losses;
  }

  private unparsed(): Loss[] {
    const sums = new Map<string, { count: number; bytes: number }>();
    for (const { stats } of this.host.sources.stats()) {
      for (const [reason, { packets, bytes }] of Object.entries(stats.unparsed)) {
        const sum = sums.get(reason) ?? { count: 0, bytes: 0 };
        sums.set(reason, { count: sum.count + packets, bytes: sum.bytes + bytes });
      }
    }
    return [...sums].map(([stage, sum]) => ({ stage, unit: 'packets', ...sum }));
  }
}

/** A URL as somebody on this host would type it. */
function reachable(url: string): string {
  return url.replace(/\/\/(0\.0\.0\.0|\[::\])(?=[:/])/, '//localhost');
}

function rows(query: URLSearchParams): number {
  const text = query.get('limit');
  if (text === null) return DEFAULT_ROWS;
  const limit = Number(text);
  if (Number.isInteger(limit) && limit > 0 && limit <= MAX_ROWS) return limit;
  const needed = `a whole number from 1 to ${MAX_ROWS}`;
  throw new RetinaError('RETINA_REQUEST_INVALID', 'limit is not understood', { found: text, needed });
}
