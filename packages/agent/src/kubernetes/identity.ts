import type { EndpointSpec, EndpointTable } from '@retina/core';
import { apiServer, apiServersOf } from './api-servers.ts';
import type { NamespaceFacts, NodeFacts, PodFacts, ServiceFacts, SliceFacts } from './facts.ts';
import { Names } from './names.ts';
import { Pieces } from './pieces.ts';
import { Services, selects } from './services.ts';

export interface ClusterIdentityOptions {
  readonly table: EndpointTable;
  readonly nodeName: string;
  /** What chooses pods: either is enough. */
  readonly choice: { readonly annotations: boolean; readonly selectors: boolean; readonly namespaces: boolean };
  /** Told whenever it changes: `10.0.0.1:443`. */
  readonly onApiServers: (servers: readonly string[]) => void;
  /** It only takes note until {@link ClusterIdentity.follow} is called. Default false. */
  readonly waits?: boolean;
}

/** The cluster as endpoints: takes what changed, object by object, and keeps the table in line with all of it. */
export class ClusterIdentity implements Disposable {
  private readonly options: ClusterIdentityOptions;
  /** Undefined before this is who names, and after. */
  private names: Names | undefined;
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
  private readonly pieces = new Pieces();

  constructor(options: ClusterIdentityOptions) {
    this.options = options;
    if (!options.waits) this.names = new Names(options.table);
  }

  [Symbol.dispose](): void {
    const names = this.letGo();
    if (!names) return;
    names.clear();
    this.options.onApiServers([]);
  }

  /**
   * Names from now on, in place of another one; `named` is called once all that is known has its name. Other names of the one before
   * stay until {@link read} is called.
   */
  follow(before: ClusterIdentity, named: () => void): void {
    this.names = before.letGo();
    this.names?.age();
    this.pieces.add(this.nameAll(named));
  }

  /** Everything has been read once: what {@link follow} left is let go of. */
  read(): void {
    if (this.names) this.pieces.add(this.names.dropOld());
  }

  private letGo(): Names | undefined {
    const { names } = this;
    this.pieces.clear();
    this.due.clear();
    this.names = undefined;
    return names;
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
    if (facts) this.nameNode(key, facts);
    else this.names?.own.remove(`node ${key}`);
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
      if (!facts?.otherAddresses.includes(address)) this.names?.shared.remove(`service ${key} ${address}`);
    }
    this.ports(before?.nodePorts, undefined);
    if (facts) this.nameService(key, facts);
    else this.names?.own.remove(`service ${key}`);
    if (before?.apiPorts || facts?.apiPorts) this.tellApiServers();
    if (same(before?.selector, facts?.selector) && headless(before) === headless(facts)) return;
    const namespace = facts?.namespace ?? before?.namespace;
    this.again((pod) => pod.namespace === namespace && [before, facts].some((one) => one && selects(one, pod.labels)));
  };

  /** Of a headless service: what it stands for has no address of the service's. */
  readonly headlessSlice = (key: string, facts: SliceFacts | undefined): void => {
    const before = this.services.putSlice(key, facts);
    for (const address of before?.addresses ?? []) {
      if (!facts?.addresses.includes(address)) this.names?.shared.remove(`slice ${key} ${address}`);
    }
    if (facts) this.nameSlice(key, facts);
    for (const pod of new Set([...(before?.pods ?? []), ...(facts?.pods ?? [])])) this.name(pod);
  };

  /** Of `default/kubernetes`: where the API server is. */
  readonly apiSlice = (key: string, facts: SliceFacts | undefined): void => {
    const before = this.apiSlices.get(key);
    set(this.apiSlices, key, facts);
    for (const address of before?.addresses ?? []) {
      if (!facts?.addresses.includes(address)) this.names?.servers.remove(`slice ${key} ${address}`);
    }
    if (facts) this.nameServers(key, facts);
    this.tellApiServers();
  };

  /** Puts everything that is known into the table: nodes, services and their slices, then pods. */
  private *nameAll(named: () => void): Generator<void> {
    for (const [key, facts] of this.nodes) yield this.nameNode(key, facts);
    for (const [key, facts] of this.services.list()) yield this.nameService(key, facts);
    for (const [key, facts] of this.services.listSlices()) yield this.nameSlice(key, facts);
    for (const [key, facts] of this.apiSlices) yield this.nameServers(key, facts);
    if (this.apiSlices.size > 0) this.tellApiServers();
    for (const key of this.pods.keys()) yield this.name(key);
    for (const key of this.stand.keys()) yield this.name(key);
    named();
  }

  private nameNode(key: string, { name, zone, addresses }: NodeFacts): void {
    this.names?.own.put({ key: `node ${key}`, kind: 'node', name, node: name, addresses, ...(zone && { zone }) });
  }

  private nameService(key: string, facts: ServiceFacts): void {
    const { namespace, name, clusterAddresses, otherAddresses, apiPorts, nodePorts } = facts;
    const own = { kind: 'service', namespace, name, service: name } as const;
    const spec: EndpointSpec = apiPorts ? apiServer(`service ${key}`) : { key: `service ${key}`, ...own };
    this.names?.own.put({ ...spec, addresses: clusterAddresses });
    for (const address of otherAddresses) {
      this.names?.shared.put({ ...own, key: `service ${key} ${address}`, addresses: [address] });
    }
    this.ports(nodePorts, clusterAddresses[0]);
  }

  private nameSlice(key: string, { namespace, service, addresses }: SliceFacts): void {
    const name = { namespace, name: service, service };
    for (const address of addresses) {
      this.names?.shared.put({ key: `slice ${key} ${address}`, kind: 'service', ...name, addresses: [address] });
    }
  }

  /** Each by itself: one that is a node's, too, is the node's. */
  private nameServers(key: string, { addresses }: SliceFacts): void {
    for (const address of addresses) {
      this.names?.servers.put({ ...apiServer(`slice ${key} ${address}`), addresses: [address] });
    }
  }

  /** Brings the table in line with what is known of a pod. Of one of this node only the pod itself tells. */
  private name(key: string): void {
    this.due.delete(key);
    if (!this.names) return;
    const { own } = this.names;
    const stand = this.stand.get(key);
    const facts = this.pods.get(key) ?? (stand && this.nodeNameOf(stand) !== this.options.nodeName ? stand : undefined);
    const id = `pod ${key}`;
    if (!facts) return own.remove(id);
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
    own.put({ key: id, kind: 'pod', namespace, name, addresses, labels, workloads, ...more });
  }

  /** What changed is about these pods. A namespace may have thousands of them. */
  private again(which: (pod: PodFacts) => boolean): void {
    if (!this.names) return;
    const begun = this.due.size > 0;
    for (const [key, facts] of this.pods) if (which(facts)) this.due.add(key);
    for (const [key, facts] of this.stand) if (!this.pods.has(key) && which(facts)) this.due.add(key);
    if (!begun) this.pieces.add(this.nameDue());
  }

  private *nameDue(): Generator<void> {
    for (const key of this.due) yield this.name(key);
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
    for (const { protocol, port } of ports) this.names?.port([protocol, port], address);
  }

  private tellApiServers(): void {
    if (!this.names) return;
    this.options.onApiServers(apiServersOf(this.services.get('default/kubernetes'), this.apiSlices.values()));
  }
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
