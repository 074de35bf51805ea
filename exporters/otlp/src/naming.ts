import type { MetricFamily, Unit } from '@retina/sdk';

/** How a family is called on the wire. */
export interface FamilyNames {
  readonly name: string;
  /** UCUM. */
  readonly unit: string;
  /** Attribute keys, one per label. */
  readonly keys: readonly string[];
  /** By label: what a value is called there; undefined for as it is. */
  readonly values: readonly (((text: string) => string) | undefined)[];
}

export type Naming = 'retina' | 'semantic';

export function namesOf(family: MetricFamily, naming: Naming): FamilyNames {
  const { labels } = family;
  if (naming === 'retina') {
    return { name: family.name, unit: ucum(family.unit), keys: labels, values: labels.map(() => undefined) };
  }
  const remote = labels.some((label) => /^(source|destination)_/.test(label));
  const known = own(KNOWN, family.name.replace(PREFIX, ''));
  const [name, unit] = (remote ? known?.flow : known?.own) ?? [];
  return {
    name: name ?? byRule(family.name),
    unit: unit ?? ucum(family.unit),
    keys: labels.map((label) => attributeOf(label)),
    values: labels.map((label) => VALUES.get(label)),
  };
}

const PREFIX = /^networkobservability_/;

/** Names for families about one end (`own`: the node or a pod) and about both (`flow`, the remote context). */
interface Known {
  readonly own?: readonly [name: string, unit?: string];
  readonly flow?: readonly [name: string, unit?: string];
}

/** Where a convention exists. Of OBI's names only those that mean the same. */
export const KNOWN: Readonly<Record<string, Known>> = {
  forward_bytes: { own: ['system.network.io', 'By'] },
  forward_count: { own: ['system.network.packet.count', '{packet}'] },
  drop_count: { own: ['system.network.packet.dropped', '{packet}'] },
  tcp_sockets: { own: ['system.network.connection.count', '{connection}'] },
  adv_forward_bytes: { own: ['k8s.pod.network.io', 'By'], flow: ['obi.network.flow.bytes', 'By'] },
  adv_forward_count: {
    own: ['retina.pod.network.packets', '{packet}'],
    flow: ['obi.network.flow.packets', '{packet}'],
  },
  adv_drop_bytes: {
    own: ['retina.pod.network.dropped_bytes', 'By'],
    flow: ['retina.network.flow.dropped_bytes', 'By'],
  },
  adv_drop_count: {
    own: ['retina.pod.network.dropped_packets', '{packet}'],
    flow: ['retina.network.flow.dropped_packets', '{packet}'],
  },
  adv_tcp_rtt_seconds: { own: ['obi.stat.tcp.rtt', 's'], flow: ['obi.stat.tcp.rtt', 's'] },
  adv_tcpretrans_count: {
    own: ['obi.stat.tcp.retransmits', '{packet}'],
    flow: ['obi.stat.tcp.retransmits', '{packet}'],
  },
  adv_tcp_connections_failed_total: {
    own: ['obi.stat.tcp.failed.connections', '{connection}'],
    flow: ['obi.stat.tcp.failed.connections', '{connection}'],
  },
  adv_dns_latency_seconds: { own: ['dns.lookup.duration', 's'], flow: ['dns.lookup.duration', 's'] },
  process_cpu_seconds_total: { own: ['process.cpu.time', 's'] },
  process_resident_memory_bytes: { own: ['process.memory.usage', 'By'] },
  process_virtual_memory_bytes: { own: ['process.memory.virtual', 'By'] },
  process_open_fds: { own: ['process.unix.file_descriptor.count', '{file_descriptor}'] },
};

/** `networkobservability_adv_tcp_min_rtt_seconds` is `retina.pod.tcp_min_rtt`: prefix, unit and `_total` are said elsewhere. */
function byRule(name: string): string {
  const bare = name
    .replace(/^(controlplane_)?networkobservability_/, '')
    .replace(/^retina_/, '')
    .replace(/_total$/, '')
    .replace(/_(seconds|milliseconds|ratio)$/, '');
  return bare.startsWith('adv_') ? `retina.pod.${bare.slice(4)}` : `retina.${bare}`;
}

/** Attribute keys of labels, by OpenTelemetry's conventions where there is one, else `retina.` and the label. */
export const ATTRIBUTES: Readonly<Record<string, string>> = {
  direction: 'network.io.direction',
  ip: 'k8s.pod.ip',
  namespace: 'k8s.namespace.name',
  podname: 'k8s.pod.name',
  workload_kind: 'k8s.owner.type',
  workload_name: 'k8s.owner.name',
  service: 'k8s.service.name',
  port: 'network.local.port',
  zone: 'cloud.availability_zone',
  reason: 'retina.drop.reason',
  flag: 'retina.tcp.flag',
  state: 'network.connection.state',
  interface_name: 'network.interface.name',
  query: 'dns.question.name',
  query_type: 'dns.question.type',
  return_code: 'dns.response.code',
  response: 'dns.answers',
};

/** The same of one end of a flow, in OBI's terms: `src` and `dst`. */
export const END_ATTRIBUTES: Readonly<Record<string, (end: 'src' | 'dst') => string>> = {
  ip: (end) => `${end}.address`,
  port: (end) => `${end}.port`,
  zone: (end) => `${end}.zone`,
  namespace: (end) => `k8s.${end}.namespace`,
  podname: (end) => `k8s.${end}.name`,
  workload_kind: (end) => `k8s.${end}.owner.type`,
  workload_name: (end) => `k8s.${end}.owner.name`,
  service: (end) => `k8s.${end}.service`,
};

function attributeOf(label: string): string {
  const side = /^(source|destination)_(.+)$/.exec(label);
  const ofEnd = side && own(END_ATTRIBUTES, side[2]!);
  if (ofEnd) return ofEnd(side[1] === 'source' ? 'src' : 'dst');
  return own(ATTRIBUTES, label) ?? `retina.${label}`;
}

/** Label names are a plugin's: `constructor` may be one. */
function own<T>(table: Readonly<Record<string, T>>, key: string): T | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

const DIRECTIONS: ReadonlyMap<string, string> = new Map([
  ['ingress', 'receive'],
  ['egress', 'transmit'],
  ['INGRESS', 'receive'],
  ['EGRESS', 'transmit'],
]);

const VALUES: ReadonlyMap<string, (text: string) => string> = new Map([
  ['direction', (text: string) => DIRECTIONS.get(text) ?? text],
  ['state', (text: string) => text.toLowerCase()],
]);

const UCUM: Readonly<Record<Unit, string>> = {
  bytes: 'By',
  seconds: 's',
  milliseconds: 'ms',
  nanoseconds: 'ns',
  ratio: '1',
};

function ucum(unit: Unit | undefined): string {
  return unit === undefined ? '' : UCUM[unit];
}
