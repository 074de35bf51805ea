import type { Endpoint, EndpointReader } from '@retina/sdk';
import { formatWords } from './address.ts';
import { words } from './address-map.ts';
import { EndpointDirectory, type EndpointListener } from './directory.ts';
import { EndpointIndex } from './endpoint-index.ts';
import { Hosts } from './hosts.ts';
import { NodePorts } from './node-ports.ts';

/** What can be asked of the endpoint table. */
export class EndpointLookups implements EndpointReader {
  /** Changes whenever a look-up may give another answer: what is cached by address is stale then. */
  epoch = 1;
  protected readonly index = new EndpointIndex();
  protected readonly directory = new EndpointDirectory();
  protected readonly nodePorts = new NodePorts();
  protected readonly hosts = new Hosts();

  /** Id of the endpoint of an address, given as four little-endian words; 0 if unknown. */
  find(w0: number, w1: number, w2: number, w3: number): number {
    return this.index.addresses.get(w0, w1, w2, w3);
  }

  /**
   * Id of the endpoint that had an address at a time, in milliseconds since the Unix epoch: who had it before, if it has
   * changed hands since; 0 if nobody had it who is known.
   */
  findAt(w0: number, w1: number, w2: number, w3: number, time: number): number {
    return this.index.at(w0, w1, w2, w3, time);
  }

  /** Whether an address has changed hands lately, so that {@link findAt} depends on the time. */
  changedLately(w0: number, w1: number, w2: number, w3: number): boolean {
    return this.index.changed(w0, w1, w2, w3);
  }

  /** Id of the endpoint behind an interface of the agent's namespace; 0 if unknown. */
  byInterface(ifindex: number): number {
    return this.index.interfaces.get(ifindex);
  }

  /** Id of the endpoint in a network namespace; 0 if unknown. */
  byNetns(inode: number): number {
    return this.index.namespaces.get(inode);
  }

  /** Whether an endpoint claims an address, also where somebody else comes before it. */
  claims(id: number, w0: number, w1: number, w2: number, w3: number): boolean {
    return this.index.claims(id, formatWords(w0, w1, w2, w3));
  }

  byId(id: number): Endpoint {
    return this.directory.byId(id);
  }

  byAddress(address: Uint8Array): Endpoint {
    return this.byId(this.find(...words(address)));
  }

  /** As {@link byId}, but the last few thousand endpoints that are gone are still named: for the flow history. */
  recall(id: number): Endpoint {
    return this.directory.recall(id);
  }

  /** Whether an endpoint is this host itself, under whatever name. */
  isHost(id: number): boolean {
    return this.hosts.has(id);
  }

  /** Gives a port of every other node the name of the service it is for, or takes it. `address`: one of the service's own. */
  nameNodePort(protocol: number, port: number, address: string | undefined): void {
    this.nodePorts.name(protocol, port, address);
    this.epoch++;
  }

  /** `id`, or the service's where it is another node and the port is one that nodes have for a service. */
  atPort(id: number, protocol: number, port: number): number {
    const service = id === 0 ? undefined : this.nodePorts.get(protocol, port);
    if (!service || this.hosts.has(id) || this.byId(id).kind !== 'node') return id;
    return this.find(...service) || id;
  }

  /** Whether an interface of this host leads to an endpoint, so that its traffic is seen there. */
  hasInterface(id: number): boolean {
    return this.index.interfaces.leadsTo(id);
  }

  /** Whether an annotation or a selector chose an endpoint. */
  observed(id: number): boolean {
    return this.directory.observed(id);
  }

  /** Live endpoints, those that linger included. */
  list(): IterableIterator<Endpoint> {
    return this.directory.list();
  }

  /** `updated`: an endpoint's names or labels changed. `removed`: it is gone and its linger time is over. */
  onChange(listener: EndpointListener): Disposable {
    return this.directory.onChange(listener);
  }
}
