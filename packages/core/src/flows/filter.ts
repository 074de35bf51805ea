import {
  type Endpoint,
  FLOW_FILTER_KEYS,
  type FlowFilterKey,
  type FlowPredicate,
  Observation,
  RetinaError,
} from '@retina/sdk';
import { parseDuration } from '../config/duration.ts';
import { contains, parsePrefix, type Prefix } from '../identity/address.ts';
import { byName, FLOW_TYPES, isDns } from './detail-filters.ts';
import { type FlowNames, PROTOCOLS } from './json.ts';

export { FLOW_FILTER_KEYS, type FlowFilterKey, type FlowPredicate } from '@retina/sdk';

type Values = readonly string[];
type Build = (values: Values, names: FlowNames, now: number) => FlowPredicate;

/**
 * Reads a filter once and gives a predicate over rows. Keys it does not know are left alone, empty values are refused.
 * Pods are `namespace/name` or `name`, where the name may be a prefix; addresses may be CIDR prefixes; times are RFC 3339 or
 * a duration ago (`30s`, `5m`).
 * @throws RETINA_REQUEST_INVALID with the value and what would be understood.
 */
export function flowFilter(query: Pick<URLSearchParams, 'getAll'>, names: FlowNames, now = Date.now()): FlowPredicate {
  const tests: FlowPredicate[] = [];
  for (const key of FLOW_FILTER_KEYS) {
    const values = query.getAll(key).flatMap((value) => value.split(',')).map((value) => value.trim()); // prettier-ignore
    if (values.length > 0) tests.push(BUILD[key](values, names, now));
  }
  if (tests.length === 0) return () => true;
  return (batch, row) => {
    for (const test of tests) if (!test(batch, row)) return false;
    return true;
  };
}

/** The times a query asks for, milliseconds since the Unix epoch. Throws RETINA_REQUEST_INVALID. */
export function flowTimes(query: Pick<URLSearchParams, 'getAll'>, now = Date.now()): { since: number; until: number } {
  const all = (key: 'since' | 'until') =>
    query.getAll(key).flatMap((value) => value.split(',')).map((value) => moment(key, value.trim(), now)); // prettier-ignore
  return { since: Math.max(-Infinity, ...all('since')), until: Math.min(Infinity, ...all('until')) };
}

const BUILD: Readonly<Record<FlowFilterKey, Build>> = {
  pod: (values, names) => either(source(byPod(values, names)), destination(byPod(values, names))),
  'source-pod': (values, names) => source(byPod(values, names)),
  'destination-pod': (values, names) => destination(byPod(values, names)),
  namespace: (values, names) => {
    const wanted = (e: Endpoint) => values.includes(e.namespace);
    return either(source(byEndpoint(wanted, names)), destination(byEndpoint(wanted, names)));
  },
  ip: (values) => either(sourceIp(prefixes('ip', values)), destinationIp(prefixes('ip', values))),
  'source-ip': (values) => sourceIp(prefixes('source-ip', values)),
  'destination-ip': (values) => destinationIp(prefixes('destination-ip', values)),
  port: (values) => {
    const ports = numbers('port', values, 65_535);
    return (batch, row) => ports.has(batch.sourcePort(row)) || ports.has(batch.destinationPort(row));
  },
  'source-port': (values) => {
    const ports = numbers('source-port', values, 65_535);
    return (batch, row) => ports.has(batch.sourcePort(row));
  },
  'destination-port': (values) => {
    const ports = numbers('destination-port', values, 65_535);
    return (batch, row) => ports.has(batch.destinationPort(row));
  },
  protocol: (values) => {
    const transports = values.filter((value) => value.toLowerCase() !== 'dns');
    const wanted = new Set(transports.flatMap((value) => protocol(value)));
    if (transports.length === values.length) return (batch, row) => wanted.has(batch.protocol(row));
    return (batch, row) => isDns(batch, row) || wanted.has(batch.protocol(row));
  },
  verdict: (values) => {
    const wanted = new Set(values.map((value) => oneOf('verdict', value, ['unknown', 'forwarded', 'dropped'])));
    return (batch, row) => wanted.has(batch.verdict(row));
  },
  direction: (values) => {
    const wanted = new Set(values.map((value) => oneOf('direction', value, ['unknown', 'ingress', 'egress'])));
    return (batch, row) => wanted.has(batch.direction(row));
  },
  'drop-reason': (values, names) => {
    const wanted = new Set(values.map((value) => value.toUpperCase()));
    const known = new Map<number, boolean>();
    return (batch, row) => {
      const id = batch.dropReason(row);
      let fits = known.get(id);
      if (fits === undefined) known.set(id, (fits = wanted.has(names.label(id).toUpperCase())));
      return fits && batch.verdict(row) === 2;
    };
  },
  interface: (values, names) => (batch, row) => {
    if (batch.observation(row) === Observation.HOST) return false;
    const index = batch.ifindex(row);
    return values.includes(String(index)) || values.includes(names.interfaceName?.(index) ?? '');
  },
  type: (values) => {
    const known = Object.keys(FLOW_TYPES);
    const wanted = values.map((value) => FLOW_TYPES[known[oneOf('type', value, known)]!]!);
    return (batch, row) => wanted.some((fits) => fits(batch, row));
  },
  fqdn: (values, names) =>
    byName(
      values.map((value) => value || refuse('fqdn', value, 'a name, in which * may stand')),
      names,
    ),
  since: (values, _, now) => {
    const from = Math.max(...values.map((value) => moment('since', value, now)));
    return (batch, row) => batch.end(row) >= from;
  },
  until: (values, _, now) => {
    const to = Math.min(...values.map((value) => moment('until', value, now)));
    return (batch, row) => batch.start(row) <= to;
  },
};

type EndpointTest = (id: number) => boolean;

function byPod(values: Values, names: FlowNames): EndpointTest {
  const wanted = values.map((value) => {
    if (value === '') refuse('pod', value, 'NAME, NAMESPACE/NAME or NAMESPACE/');
    const slash = value.indexOf('/');
    return slash < 0
      ? { namespace: undefined, name: value }
      : { namespace: value.slice(0, slash), name: value.slice(slash + 1) };
  });
  return byEndpoint(
    (e) =>
      e.name !== '' && wanted.some((w) => (w.namespace ?? e.namespace) === e.namespace && e.name.startsWith(w.name)),
    names,
  );
}

/** Answers that are kept: a filter of an exporter lives as long as the agent. */
const KEPT_ANSWERS = 65_536;

/** Ids change their meaning only by growing old, so an answer may be kept as long as the filter lives. */
function byEndpoint(wanted: (endpoint: Endpoint) => boolean, names: FlowNames): EndpointTest {
  const known = new Map<number, boolean>();
  return (id) => {
    let fits = known.get(id);
    if (fits !== undefined) return fits;
    if (known.size >= KEPT_ANSWERS) known.clear();
    known.set(id, (fits = wanted(names.endpoint(id))));
    return fits;
  };
}

function either(a: FlowPredicate, b: FlowPredicate): FlowPredicate {
  return (batch, row) => a(batch, row) || b(batch, row);
}
function source(test: EndpointTest): FlowPredicate {
  return (batch, row) => test(batch.sourceEndpoint(row));
}
function destination(test: EndpointTest): FlowPredicate {
  return (batch, row) => test(batch.destinationEndpoint(row));
}
function sourceIp(wanted: readonly Prefix[]): FlowPredicate {
  return (batch, row) => wanted.some((prefix) => contains(prefix, batch.sourceAddress(row)));
}
function destinationIp(wanted: readonly Prefix[]): FlowPredicate {
  return (batch, row) => wanted.some((prefix) => contains(prefix, batch.destinationAddress(row)));
}

function prefixes(key: FlowFilterKey, values: Values): Prefix[] {
  return values.map((value) => parsePrefix(value) ?? refuse(key, value, 'an IPv4 or IPv6 address or CIDR prefix'));
}

function numbers(key: FlowFilterKey, values: Values, max: number): Set<number> {
  const parse = (value: string) =>
    /^\d+$/.test(value) && Number(value) <= max ? Number(value) : refuse(key, value, `a number from 0 to ${max}`);
  return new Set(values.map(parse));
}

function protocol(value: string): number[] {
  const name = value.toLowerCase();
  const found = Object.entries(PROTOCOLS).filter(
    ([, known]) => known.toLowerCase() === name || known.toLowerCase() === `${name}v4`,
  );
  if (name === 'icmp') return [1, 58];
  if (found.length > 0) return found.map(([number]) => Number(number));
  return [...numbers('protocol', [value], 255)];
}

function oneOf(key: FlowFilterKey, value: string, values: readonly string[]): number {
  const at = values.indexOf(value.toLowerCase());
  return at < 0 ? refuse(key, value, values.join(', ')) : at;
}

function moment(key: FlowFilterKey, value: string, now: number): number {
  const ago = parseDuration(value);
  if (ago !== undefined) return now - ago;
  const at = /^\d{4}-\d{2}-\d{2}/.test(value) ? Date.parse(value) : NaN;
  return Number.isNaN(at)
    ? refuse(key, value, 'a time such as 2026-01-31T12:00:00Z, or a duration ago such as 30s')
    : at;
}

function refuse(key: FlowFilterKey, value: string, needed: string): never {
  throw new RetinaError('RETINA_REQUEST_INVALID', `the flow filter "${key}" is not understood`, {
    found: JSON.stringify(value),
    needed,
  });
}
