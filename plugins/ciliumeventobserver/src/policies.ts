import { request } from 'node:http';
import type { PolicyDetails } from '@retina/sdk';
import type { PacketEvent } from './events.ts';
import { DENIED_BY_RULE, Match } from './names.ts';

/** What came of looking a verdict's policy up. `later`: the agent has been asked. */
export type PolicyLookup = 'named' | 'ambiguous' | 'unknown' | 'later' | 'unavailable';

/** A filter of an endpoint's realized policy, and the policies it was made of. */
interface Filter {
  /** 0: every port, unless the filter is for a port by name. */
  readonly port: number;
  readonly endPort: number;
  readonly byName: boolean;
  readonly protocol: string;
  readonly policies: readonly PolicyDetails[];
}

interface Realized {
  readonly ingress: readonly Filter[];
  readonly egress: readonly Filter[];
}

interface Entry {
  readonly until: number;
  /** Undefined while the agent has not answered; null if it could not. */
  realized: Realized | null | undefined;
}

const KEEP_MS = 30_000;
const TIMEOUT_MS = 2000;
const MOST_ENDPOINTS = 1024;
const MOST_REQUESTS = 4;
const LONGEST_ANSWER = 8 << 20;
const PROTOCOLS: Readonly<Record<number, string>> = { 1: 'ICMP', 6: 'TCP', 17: 'UDP', 58: 'ICMPv6', 132: 'SCTP' };
const LABEL = /^k8s:io\.cilium\.k8s\.policy\.(derived-from|name|namespace)=(.*)$/;

/**
 * Names of the policies behind verdicts. Events have none; the agent knows, of each endpoint, the rules in force and the policies they
 * come from. A name is given only where a single policy can have decided.
 */
export class PolicyNames implements Disposable {
  private readonly path: string;
  private readonly now: () => number;
  private readonly abort = new AbortController();
  private readonly entries = new Map<number, Entry>();
  private requests = 0;

  /** `path`: the Unix socket of the agent's API. */
  constructor(path: string, now: () => number = Date.now) {
    this.path = path;
    this.now = now;
  }

  [Symbol.dispose](): void {
    this.abort.abort();
  }

  /** Rules have changed: everybody's are asked for again. */
  forget(): void {
    this.entries.clear();
  }

  /** The policy behind a verdict; undefined where none can have a name: nothing matched, or it is audited only. */
  of(event: PacketEvent): readonly [PolicyLookup, PolicyDetails | undefined] | undefined {
    const decided = event.verdict >= 0 || -event.verdict === DENIED_BY_RULE;
    if (!decided || event.match === Match.NONE || event.audited) return undefined;
    const realized = this.realized(event.endpoint);
    if (!realized) return [realized === null ? 'unavailable' : 'later', undefined];
    const filters = event.ingress ? realized.ingress : realized.egress;
    const found = new Map<string, PolicyDetails>();
    for (const filter of filters) {
      if (!matches(filter, event)) continue;
      for (const policy of filter.policies) found.set(`${policy.kind}/${policy.namespace}/${policy.name}`, policy);
    }
    const [policy] = found.values();
    if (found.size === 1) return ['named', policy];
    return [found.size === 0 ? 'unknown' : 'ambiguous', undefined];
  }

  private realized(endpoint: number): Entry['realized'] {
    const known = this.entries.get(endpoint);
    if (known && (known.until > this.now() || known.realized === undefined)) return known.realized;
    if (this.requests >= MOST_REQUESTS) return known?.realized;
    if (this.entries.size >= MOST_ENDPOINTS) this.entries.clear();
    const entry: Entry = { until: this.now() + KEEP_MS, realized: undefined };
    this.entries.set(endpoint, entry);
    this.requests++;
    this.ask(endpoint)
      .then(
        (realized) => (entry.realized = realized),
        () => (entry.realized = null),
      )
      .finally(() => this.requests--);
    return known?.realized; // what was true until now
  }

  private ask(endpoint: number): Promise<Realized> {
    return new Promise((resolve, reject) => {
      const signal = AbortSignal.any([this.abort.signal, AbortSignal.timeout(TIMEOUT_MS)]);
      const asked = request({
        socketPath: this.path,
        path: `/v1/endpoint/cilium-local:${endpoint}`,
        agent: false,
        signal,
      });
      asked.on('error', reject).on('response', (response) => {
        const pieces: Buffer[] = [];
        let size = 0;
        response.on('error', reject);
        response.on('data', (piece: Buffer) => {
          size += piece.length;
          if (size > LONGEST_ANSWER) asked.destroy(new Error('the answer is too long'));
          else pieces.push(piece);
        });
        response.on('end', () => {
          try {
            if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
            resolve(readEndpoint(JSON.parse(Buffer.concat(pieces).toString())));
          } catch (error) {
            reject(error instanceof Error ? error : new Error(String(error)));
          }
        });
      });
      asked.end();
    });
  }
}

function matches({ port, endPort, byName, protocol }: Filter, event: PacketEvent): boolean {
  const same = protocol === PROTOCOLS[event.protocol];
  switch (event.match) {
    case Match.L3_L4:
    case Match.L4:
      if (!same && protocol !== 'ANY') return false;
      return byName || (port !== 0 && (port === event.port || (port < event.port && event.port <= endPort)));
    case Match.L3_PROTOCOL:
    case Match.PROTOCOL:
      return same && port === 0 && !byName;
    default:
      return protocol === 'ANY' && port === 0 && !byName;
  }
}

/** The rules in an endpoint of Cilium's API. What is not as expected is left out. */
export function readEndpoint(endpoint: unknown): Realized {
  const l4 = ['status', 'policy', 'realized', 'l4'].reduce(member, endpoint);
  return { ingress: filters(member(l4, 'ingress')), egress: filters(member(l4, 'egress')) };
}

function filters(rules: unknown): Filter[] {
  return list(rules).flatMap((rule) => {
    const text = member(rule, 'rule');
    let filter: unknown;
    try {
      filter = JSON.parse(typeof text === 'string' ? text : '');
    } catch {
      return [];
    }
    const [protocol, name] = [member(filter, 'protocol'), member(filter, 'port-name')];
    const policies = list(member(rule, 'derived-from-rules')).flatMap(policyOf);
    return {
      port: number(member(filter, 'port')),
      endPort: number(member(filter, 'endPort')),
      byName: typeof name === 'string' && name !== '',
      protocol: typeof protocol === 'string' ? protocol : '',
      policies,
    };
  });
}

function policyOf(labels: unknown): PolicyDetails[] {
  const of: Record<string, string> = {};
  for (const label of list(labels)) {
    const [, key, value] = (typeof label === 'string' && LABEL.exec(label)) || [];
    if (key !== undefined) of[key] = value!.slice(0, 253);
  }
  const { name, namespace, 'derived-from': kind = 'CiliumNetworkPolicy' } = of;
  return name === undefined || name === '' ? [] : [{ kind, ...(namespace && { namespace }), name }];
}

function member(of: unknown, name: string): unknown {
  return typeof of === 'object' && of !== null && Object.hasOwn(of, name)
    ? (of as Record<string, unknown>)[name]
    : undefined;
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : 0;
}
