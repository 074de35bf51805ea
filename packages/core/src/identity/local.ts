import { type FSWatcher, watch } from 'node:fs';
import type { Address, Interface, LoaderApi, NamedNamespace, NetworkEvent } from '@retina/loader';
import type { Logger } from '@retina/sdk';
import { uplinksOf } from '../taps/roles.ts';
import { formatAddress } from './address.ts';
import type { EndpointSpec } from './endpoint-spec.ts';
import type { EndpointTable } from './table.ts';

/** What is needed of the native loader. */
export type LocalNetwork = Pick<
  LoaderApi,
  'interfaces' | 'addresses' | 'addressesIn' | 'namedNamespaces' | 'defaultRoutes' | 'watchNetwork' | 'ownNetns'
>;

export interface LocalIdentityOptions {
  readonly table: EndpointTable;
  readonly network: LocalNetwork;
  /** Name of the host's own endpoint, and `node` of all. */
  readonly hostName: string;
  /** False: only which interface leads to whom is asked of this host; names come from elsewhere. Default true. */
  readonly names?: boolean;
  readonly log?: Logger;
  /** Where `ip netns` keeps names. Default /run/netns. */
  readonly namespacesFolder?: string;
}

/** Addresses are often added after the interface: look again after these milliseconds, the last one for ever. */
const LOOKS = [100, 300, 1_000, 3_000, 10_000];

interface Known {
  readonly inode: number;
  addresses: readonly string[];
  refused: boolean;
  looks: number;
  next: number;
}

/**
 * Endpoints from this host: the host itself with every address of the agent's namespace, and each namespace at the other
 * end of a veth, by its name under `ip netns` or, if it has none, by the interface's.
 */
export class LocalIdentity implements Disposable {
  private readonly options: LocalIdentityOptions;
  private readonly folder: string;
  private readonly provider;
  private readonly known = new Map<string, Known>();
  private readonly events: Disposable;
  private watcher: FSWatcher | undefined;
  private timer: NodeJS.Timeout | undefined;
  private due = Infinity;
  private running: Promise<void> | undefined;
  private again = false;
  private closed = false;

  /** Starts to follow changes. Await {@link refresh} for the first look. */
  constructor(options: LocalIdentityOptions) {
    this.options = options;
    this.folder = options.namespacesFolder ?? '/run/netns';
    this.provider = options.table.provider(0);
    this.events = options.network.watchNetwork((event) => this.on(event));
    this.watch();
  }

  /** Looks at everything now. Rejects if the network configuration cannot be read. */
  async refresh(): Promise<void> {
    if (this.running) {
      this.again = true;
      return this.running;
    }
    this.running = (async () => {
      do {
        this.again = false;
        await this.look();
      } while (this.again && !this.closed);
    })();
    try {
      await this.running;
    } finally {
      this.running = undefined;
    }
  }

  [Symbol.dispose](): void {
    this.closed = true;
    clearTimeout(this.timer);
    this.watcher?.close();
    this.events[Symbol.dispose]();
    this.provider.replace([]);
  }

  private on(event: NetworkEvent): void {
    if (event.type === 'routes') return;
    if (event.type !== 'address') {
      // An interface that changed may belong to a namespace whose addresses change with it, or a moment later.
      const soon = performance.now() + LOOKS[0]!;
      for (const entry of this.known.values()) entry.next = Math.min(entry.next, soon);
    }
    this.soon(10);
  }

  private watch(): void {
    try {
      this.watcher = watch(this.folder, { persistent: false }, () => this.soon(10));
      this.watcher.on('error', () => this.watcher?.close());
    } catch {
      this.watcher = undefined; // made with the first name; the veth that comes with it brings us here
    }
  }

  private soon(ms: number): void {
    const at = performance.now() + ms;
    if (this.closed || at >= this.due) return;
    clearTimeout(this.timer);
    this.due = at;
    this.timer = setTimeout(() => {
      this.due = Infinity;
      this.refresh().catch((error: unknown) => {
        this.options.log?.warn('the local network cannot be read; known endpoints stay', { error });
        this.soon(LOOKS.at(-1)!);
      });
    }, ms).unref();
  }

  private async look(): Promise<void> {
    const { network } = this.options;
    const [interfaces, addresses, named, routes] = await Promise.all([
      network.interfaces(),
      network.addresses(),
      network.namedNamespaces(),
      network.defaultRoutes(),
    ]);
    await this.scan(named);
    if (this.closed) return;
    this.provider.replace([this.host(addresses), ...this.namespaces(interfaces, named, uplinksOf(interfaces, routes))]);
    if (!this.watcher) this.watch();
    const next = Math.min(performance.now() + LOOKS.at(-1)!, ...[...this.known.values()].map((entry) => entry.next));
    this.soon(Math.max(10, next - performance.now()));
  }

  private async scan(named: readonly NamedNamespace[]): Promise<void> {
    const names = new Set(named.map(({ name }) => name));
    for (const name of this.known.keys()) if (!names.has(name)) this.known.delete(name);
    const now = performance.now();
    for (const { name, inode } of named) {
      let entry = this.known.get(name);
      if (entry?.inode !== inode)
        this.known.set(name, (entry = { inode, addresses: [], refused: false, looks: 0, next: 0 }));
      if (entry.next > now) continue;
      entry.next = now + LOOKS[Math.min(entry.looks++, LOOKS.length - 1)]!;
      try {
        entry.addresses = texts(await this.options.network.addressesIn(`${this.folder}/${name}`));
        entry.refused = false;
      } catch (error) {
        if (!entry.refused)
          this.options.log?.debug('addresses of a namespace are learned from its traffic', { namespace: name, error });
        entry.refused = true;
      }
    }
  }

  private host(addresses: readonly Address[]): EndpointSpec {
    const { hostName, network } = this.options;
    return {
      key: 'host',
      kind: 'host',
      name: hostName,
      node: hostName,
      addresses: [...new Set(addresses.map(({ address }) => formatAddress(address)))],
      netns: [network.ownNetns()],
      host: true,
    };
  }

  private namespaces(
    interfaces: readonly Interface[],
    named: readonly NamedNamespace[],
    uplinks: ReadonlySet<number>,
  ): EndpointSpec[] {
    const veths = new Map<number, Interface[]>();
    for (const link of interfaces) {
      if (link.kind !== 'veth' || link.linkNetnsid < 0 || uplinks.has(link.ifindex)) continue;
      veths.set(link.linkNetnsid, [...(veths.get(link.linkNetnsid) ?? []), link]);
    }
    const own = this.options.network.ownNetns();
    const specs = named
      .filter(({ inode }) => inode !== own) // a name for the namespace we are in
      .map(({ name, inode, netnsid }): EndpointSpec => {
        const links = netnsid < 0 ? [] : (veths.get(netnsid) ?? []);
        veths.delete(netnsid);
        const { addresses, refused } = this.known.get(name)!;
        return this.pod(`ns:${inode}`, name, links, { netns: [inode], addresses, learn: refused, near: netnsid >= 0 });
      });
    for (const [netnsid, links] of veths) {
      specs.push(this.pod(`id:${netnsid}:${links[0]!.ifindex}`, links[0]!.name, links, { learn: true, near: true }));
    }
    return specs;
  }

  private pod(key: string, name: string, links: readonly Interface[], more: Partial<EndpointSpec>): EndpointSpec {
    const { hostName: node, names = true } = this.options;
    const interfaces = links.map(({ ifindex }) => ifindex).sort((a, b) => a - b);
    if (!names) return { key, kind: 'pod', name: '', node, interfaces, anonymous: true, ...more };
    return { key, kind: 'pod', namespace: 'netns', name, node, interfaces, ...more };
  }
}

/** Addresses others can reach it by: its loopback is everybody's. */
function texts(addresses: readonly Address[]): string[] {
  const own = addresses.map(({ address }) => formatAddress(address));
  return [...new Set(own)].filter((a) => a !== '::1' && !a.startsWith('127.')).sort();
}
