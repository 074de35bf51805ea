/**
 * The demonstration world, as data: three pods in network namespaces, each with one veth pair whose host side Retina
 * taps like any pod's. Addresses are from the blocks reserved for benchmarks (RFC 2544) and documentation (RFC 3849), so
 * they collide with nobody's network; no route of the host's leads to them.
 */
export interface DemoPod {
  /** What the pod does, and its name: `demo/client`. */
  readonly role: 'client' | 'server' | 'resolver';
  readonly netns: string;
  /** Host side of the veth pair; at most 15 bytes. */
  readonly link: string;
  readonly mac: string;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly workload: { readonly kind: string; readonly name: string };
}

function pod(role: DemoPod['role'], number: number, kind: string): DemoPod {
  return {
    role,
    netns: `retina-demo-${role}`,
    link: `rtdemo-${role}`,
    mac: `02:72:74:00:00:0${number}`,
    ipv4: `198.18.77.${number}`,
    ipv6: `2001:db8:77::${number}`,
    workload: { kind, name: role },
  };
}

export const DEMO_PODS: readonly DemoPod[] = [
  pod('client', 1, 'Job'),
  pod('server', 2, 'Deployment'),
  pod('resolver', 3, 'DaemonSet'),
];

export const DEMO_PORTS = {
  http: 8080,
  /** Nobody listens: connections are refused. */
  closed: 8081,
  /** The server's firewall drops both of these. */
  deniedTcp: 8082,
  deniedUdp: 9001,
  stream: 9000,
  dns: 53,
} as const;

/** nftables table on the host that passes frames between the pods; nothing else is ever put into it. */
export const DEMO_TABLE = 'retina_demo';

/** How this pod's interfaces are made, as `ip -batch` reads it: on the host, then inside the namespace. */
export function linkCommands(of: DemoPod): { readonly host: string; readonly inside: string } {
  // The host's side gets no address of any kind: it only carries frames.
  const host = [
    `link add ${of.link} type veth peer name eth0 netns ${of.netns}`,
    `link set ${of.link} addrgenmode none`,
    `link set ${of.link} up`,
  ];
  const inside = [
    `link set lo up`,
    `link set eth0 address ${of.mac} addrgenmode none`,
    `addr add ${of.ipv4}/24 dev eth0`,
    `addr add ${of.ipv6}/64 dev eth0 nodad`,
    `link set eth0 up`,
  ];
  for (const other of DEMO_PODS) {
    if (other === of) continue;
    inside.push(`neigh add ${other.ipv4} lladdr ${other.mac} dev eth0 nud permanent`);
    inside.push(`neigh add ${other.ipv6} lladdr ${other.mac} dev eth0 nud permanent`);
  }
  return { host: host.join('\n') + '\n', inside: inside.join('\n') + '\n' };
}

/**
 * Frames go from veth to veth at the netdev ingress hook, before bridging, routing and the IP firewall: a host whose
 * FORWARD policy is DROP (Docker sets it, and br_netfilter applies it to bridges too) or that does not forward at all
 * behaves like any other. Retina's taps run before that hook on receive and after it on transmit, so they see both.
 */
export function forwardingRules(): string {
  const devices = DEMO_PODS.map((p) => `"${p.link}"`).join(', ');
  const ports = DEMO_PODS.map((p) => `${p.mac} : "${p.link}"`).join(', ');
  return `table netdev ${DEMO_TABLE} {
  map ports { type ether_addr : iface_index; elements = { ${ports} }
  }
  chain forward {
    type filter hook ingress devices = { ${devices} } priority 0; policy accept;
    fwd to ether daddr map @ports
  }
}
`;
}

/** The server's own firewall: what the demonstration's drops come from. */
export function serverRules(): string {
  return `table inet ${DEMO_TABLE} {
  chain input {
    type filter hook input priority 0; policy accept;
    tcp dport ${DEMO_PORTS.deniedTcp} drop
    udp dport ${DEMO_PORTS.deniedUdp} drop
  }
}
`;
}

/** The identity file that gives the pods their names, as JSON, which is YAML too. */
export function identityDocument(node: string): string {
  const endpoints = DEMO_PODS.map((p) => ({
    addresses: [p.ipv4, p.ipv6],
    namespace: 'demo',
    name: p.role,
    workload: p.workload,
    labels: { app: p.role, 'app.kubernetes.io/part-of': 'retina-demo' },
    node,
    zone: 'demo',
  }));
  return JSON.stringify({ endpoints }, null, 2) + '\n';
}
