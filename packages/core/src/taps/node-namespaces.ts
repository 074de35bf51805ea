import type { Interface, LoaderApi, NamedNamespace } from '@retina/loader';
import type { Logger } from '@retina/sdk';
import type { Config } from '../config/schema.ts';
import { leadsElsewhere } from './roles.ts';
import type { SharedMaps } from './shared-maps.ts';

/** How long events of a namespace that has gone still count: those that are under way. */
const LINGER_MS = 10_000;

/** Whether kernel-wide events are counted in this node's namespaces only. */
export function nodeOnly({ kernelEvents: { namespaces } }: Pick<Config, 'kernelEvents'>, loader: LoaderApi): boolean {
  return namespaces === 'auto' ? !loader.inInitialNetns() : namespaces === 'node';
}

/** Namespaces at the other ends of a node's links: its pods'. An uplink leads out of the node. */
export function namespacesOf(
  interfaces: readonly Interface[],
  uplinks: ReadonlySet<number>,
  named: readonly NamedNamespace[],
): ReadonlySet<number> {
  const byIndex = new Map(interfaces.map((one) => [one.ifindex, one]));
  const inodes = new Map(named.map(({ netnsid, inode }) => [netnsid, inode]));
  const out = new Set<number>();
  for (const one of interfaces) {
    if (uplinks.has(one.ifindex) || one.linkNetnsid === -1) continue;
    if (one.kind !== 'netkit' && !leadsElsewhere(one, byIndex)) continue;
    const inode = inodes.get(one.linkNetnsid);
    if (inode !== undefined) out.add(inode);
  }
  return out;
}

/** Which namespaces' kernel events are this node's: the agent's own, and those its links lead to. */
export class NodeNamespaces implements Disposable {
  private readonly maps: SharedMaps;
  private readonly log: Logger;
  private readonly leaving = new Map<number, NodeJS.Timeout>();
  private known: ReadonlySet<number> = new Set();
  private told = false;

  constructor(maps: SharedMaps, own: number, log: Logger) {
    this.maps = maps;
    this.log = log;
    maps.addNamespace(own);
  }

  /** Takes over what the node's links lead to now. */
  update(present: ReadonlySet<number>): void {
    for (const inode of this.known) if (!present.has(inode)) this.leave(inode);
    let over = 0;
    for (const inode of present) {
      clearTimeout(this.leaving.get(inode));
      this.leaving.delete(inode);
      if (!this.maps.addNamespace(inode)) over++;
    }
    this.known = present;
    if (over > 0 && !this.told) this.log.warn('more network namespaces than the programs can tell apart', { over });
    this.told = over > 0;
  }

  [Symbol.dispose](): void {
    for (const timer of this.leaving.values()) clearTimeout(timer);
    this.leaving.clear();
  }

  private leave(inode: number): void {
    const go = () => {
      this.leaving.delete(inode);
      this.maps.removeNamespace(inode);
    };
    this.leaving.set(inode, setTimeout(go, LINGER_MS).unref());
  }
}
