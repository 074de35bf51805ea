import type { EndpointProvider, EndpointSpec, EndpointTable } from '@retina/core';
import type { NamespaceFacts, NodeFacts, PodFacts, ServiceFacts, SliceFacts } from './facts.ts';
import { Services, selects } from './services.ts';

/** Below what a file says (10), above what this host sees (0). What several may be reached by comes after what is somebody's own. */
const [OWN, SHARED, SERVERS] = [8, 6, 5];

/** Pods that are named anew in one turn of the event loop: some milliseconds. */
const PODS_A_TURN = 64;

/** What the original calls the API server in labels. */
const API_SERVER = 'kubernetes-apiserver';

export interface ClusterIdentityOptions {
  readonly table: EndpointTable;
  readonly nodeName: string;
  /** What chooses pods: either is enough. */
  readonly choice: { readonly annotations: boolean; readonly selectors: boolean; readonly namespaces: boolean };
  /** Told whenever it changes: `10.0.0.1:443`. */
  readonly onApiServers: (servers: readonly string[]) => void;
}

/** The cluster as endpoints: takes what changed, object by object, and keeps the table in line with all of it. */
export class ClusterIdentity implements Disposable {
  private readonly options: ClusterIdentityOptions;
  private readonly own: EndpointProvider;
  private readonly shared: EndpointProvider;
  private readonly servers: EndpointProvider;
  private readonly pods = new Map<string, PodFacts>();
  /** RetinaEndpoints, which stand for pods of other nodes. */
  private readonly stand = new Map<string, PodFacts>();
  private readonly nodes = new Map<string, NodeFacts>();
  private readonly nodeOf = new Map<string, string>();
  private readonly namespaces = new Map<string, NamespaceFacts>();
  private readonly services = new Services();
  private readonly apiSlices = new Map<string, SliceFacts>();
  /** Pods that wait to be named anew. */
  private readonly due = new Set<string>();
  private naming: NodeJS.Immediate | undefined;

  constructor(options: ClusterIdentityOptions) {
    this.options = options;
    this.own = options.table.provider(OWN);
    this.shared = options.table.provider(SHARED);
    this.servers = options.table.provider(SERVERS);
  }

  [Symbol.dispose](): void {
    clearImmediate(this.naming);
    this.due.clear();
    for (const provider of [this.own, this.shared, this.servers]) provider.replace([]);
    for (const { nodePorts } of this.services.list()) this.ports(nodePorts, undefined);
    this.options.onApiServers([]);
  }

  /** Whether the node this agent runs on is known; undefined while no node is. */
  get knowsOwnNode(): boolean | undefined {
    return this.nodes.size === 0 ? undefined : this.nodes.has(this.options.nodeName);
  }

  readonly pod = (key: string, facts: PodFacts | undefined): void => {
    set(this.pods, key, facts);
    this.name(key);
  };

  readonly endpoint = (key: string, facts: PodFacts | undefined): void => {
    set(this.stand, key, facts);
    this.name(key);
  };

  readonly node = (key: string, facts: NodeFacts | undefined): void => {
    const before = this.nodes.get(key);
    set(this.nodes, key, facts);
    for (const address of before?.addresses ?? []) if (this.nodeOf.get(address) === key) this.nodeOf.delete(address);
    for (const address of facts?.addresses ?? []) this.nodeOf.set(address, key);
    if (facts) {
      const { name, zone, addresses } = facts;
      this.own.put({ key: `node ${key}`, kind: 'node', name, node: name, addresses, ...(zone && { zone }) });
    } else this.own.remove(`node ${key}`);
    if (same(before, facts)) return;
    const addresses = new Set([...(before?.addresses ?? []), ...(facts?.addresses ?? [])]);
    this.again(({ node, nodeAddress }) => node === key || (nodeAddress !== undefined && addresses.has(nodeAddress)));
  };

  readonly namespace = (key: string, facts: NamespaceFacts | undefined): void => {
    const before = this.namespaces.get(key);
    set(this.namespaces, key, facts);
    if (before?.annotated === facts?.annotated && before?.selected === facts?.selected) return;
    this.again(({ namespace }) => namespace === key);
  };

  readonly service = (key: string, facts: ServiceFacts | undefined): void => {
    const before = this.services.put(key, facts);
    for (const address of before?.otherAddresses ?? []) {
      if (!facts?.otherAddresses.includes(address)) this.shared.remove(`service ${key} ${address}`);
    }
    this.ports(before?.nodePorts, undefined);
    if (!facts) this.own.remove(`service ${key}`);
    else {
      const { namespace, name, clusterAddresses, otherAddresses, apiPorts } = facts;
      const own = { kind: 'service', namespace, name, service: name } as const;
      const spec: EndpointSpec = apiPorts ? apiServer(`service ${key}`) : { key: `service ${key}`, ...own };
      this.own.put({ ...spec, addresses: clusterAddresses });
      for (const address of otherAddresses) {
        this.shared.put({ ...own, key: `service ${key} ${address}`, addresses: [address] });
      }
      this.ports(facts.nodePorts, clusterAddresses[0]);
    }
    if (before?.apiPorts || facts?.apiPorts) this.tellApiServers();
    if (same(before?.selector, facts?.selector) && headless(before) === headless(facts)) return;
    const namespace = facts?.namespace ?? before?.namespace;
    this.again((pod) => pod.namespace === namespace && [before, facts].some((one) => one && selects(one, pod.labels)));
  };

  /** Of a headless service: what it stands for has no address of the service's. */
  readonly headlessSlice = (key: string, facts: SliceFacts | undefined): void => {
    const before = this.services.putSlice(key, facts);
    for (const address of before?.addresses ?? []) {
      if (!facts?.addresses.includes(address)) this.shared.remove(`slice ${key} ${address}`);
    }
    for (const address of facts?.addresses ?? []) {
      const { namespace, service } = facts!;
      const name = { namespace, name: service, service };
      this.shared.put({ key: `slice ${key} ${address}`, kind: 'service', ...name, addresses: [address] });
    }
    for (const pod of new Set([...(before?.pods ?? []), ...(facts?.pods ?? [])])) this.name(pod);
  };

  /** Of `default/kubernetes`: where the API server is. */
  readonly apiSlice = (key: string, facts: SliceFacts | undefined): void => {
    const before = this.apiSlices.get(key);
    set(this.apiSlices, key, facts);
    for (const address of before?.addresses ?? []) {
      if (!facts?.addresses.includes(address)) this.servers.remove(`slice ${key} ${address}`);
    }
    // Each by itself: one that is a node's, too, is the node's.
    for (const address of facts?.addresses ?? []) {
      this.servers.put({ ...apiServer(`slice ${key} ${address}`), addresses: [address] });
    }
    this.tellApiServers();
  };

  /** Brings the table in line with what is known of a pod. Of one of this node only the pod itself tells. */
  private name(key: string): void {
    this.due.delete(key);
    const stand = this.stand.get(key);
    const facts = this.pods.get(key) ?? (stand && this.nodeNameOf(stand) !== this.options.nodeName ? stand : undefined);
    const id = `pod ${key}`;
    if (!facts) return this.own.remove(id);
    const { namespace, name, addresses, labels, workloads, incarnation } = facts;
    const node = this.nodeNameOf(facts);
    const zone = this.nodes.get(node)?.zone;
    const service = this.services.of(key, namespace, labels);
    const more = {
      ...(node && { node }),
      ...(zone && { zone }),
      ...(service && { service }),
      ...(this.chosen(facts) && { observed: true }),
      ...(incarnation !== undefined && { incarnation }),
    };
    this.own.put({ key: id, kind: 'pod', namespace, name, addresses, labels, workloads, ...more });
  }

  /** What changed is about these pods. A namespace may have thousands of them: the first ones at once, the others in later turns. */
  private again(which: (pod: PodFacts) => boolean): void {
    for (const [key, facts] of this.pods) if (which(facts)) this.due.add(key);
    for (const [key, facts] of this.stand) if (!this.pods.has(key) && which(facts)) this.due.add(key);
    if (!this.naming) this.nameDue();
  }

  private nameDue(): void {
    let left = PODS_A_TURN;
    for (const key of this.due) {
      if (left-- === 0) break;
      this.name(key);
    }
    this.naming = this.due.size > 0 ? setImmediate(() => this.nameDue()) : undefined;
  }

  private nodeNameOf({ node, nodeAddress }: PodFacts): string {
    return node ?? this.nodeOf.get(nodeAddress ?? '') ?? '';
  }

  private chosen({ namespace, annotated, selected }: PodFacts): boolean {
    const { annotations, selectors, namespaces } = this.options.choice;
    const around = this.namespaces.get(namespace) ?? { annotated: false, selected: !namespaces };
    return (annotations && (annotated || around.annotated)) || (selectors && selected && around.selected);
  }

  private ports(ports: ServiceFacts['nodePorts'] = [], address: string | undefined): void {
    for (const { protocol, port } of ports) this.options.table.nameNodePort(protocol, port, address);
  }

  private tellApiServers(): void {
    const service = this.services.get('default/kubernetes');
    const join = (address: string, port: number) =>
      address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
    const of = (addresses: readonly string[] = [], ports: readonly number[] = []) =>
      addresses.flatMap((address) => ports.map((port) => join(address, port)));
    const behind = [...this.apiSlices.values()].flatMap(({ addresses, ports }) => of(addresses, ports));
    this.options.onApiServers([...new Set([...of(service?.clusterAddresses, service?.apiPorts), ...behind])].sort());
  }
}

function apiServer(key: string): EndpointSpec {
  return { key, kind: 'api-server', namespace: API_SERVER, name: API_SERVER, service: 'kubernetes' };
}

function headless(service: ServiceFacts | undefined): boolean {
  return service?.clusterAddresses.length === 0;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function set<T>(map: Map<string, T>, key: string, value: T | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}
