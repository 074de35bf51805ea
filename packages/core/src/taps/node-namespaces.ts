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

export interface Neighbours {
  readonly inodes: ReadonlySet<number>;
  /** Links that lead to a namespace nobody has named, or whose name cannot be seen here. */
  readonly unnamed: number;
}

/** Namespaces at the other ends of a node's links: its pods'. An uplink leads out of the node. */
export function namespacesOf(
  interfaces: readonly Interface[],
  uplinks: ReadonlySet<number>,
  named: readonly NamedNamespace[],
): Neighbours {
  const byIndex = new Map(interfaces.map((one) => [one.ifindex, one]));
  const inodes = new Map(named.map(({ netnsid, inode }) => [netnsid, inode]));
  const found = new Set<number>();
  let unnamed = 0;
  for (const one of interfaces) {
    if (uplinks.has(one.ifindex) || one.linkNetnsid === -1) continue;
    if (one.kind !== 'netkit' && !leadsElsewhere(one, byIndex)) continue;
    const inode = inodes.get(one.linkNetnsid);
    if (inode === undefined) unnamed++;
    else found.add(inode);
  }
  return { inodes: found, unnamed };
}

/** Which namespaces' kernel events are this node's: the agent's own, and those its links lead to. */
export class NodeNamespaces implements Disposable {
  private readonly maps: SharedMaps;
  private readonly log: Logger;
  private readonly leaving = new Map<number, NodeJS.Timeout>();
  private known: ReadonlySet<number> = new Set();
  private toldOver = false;
  private toldUnnamed = false;

  constructor(maps: SharedMaps, own: number, log: Logger) {
    this.maps = maps;
    this.log = log;
    maps.addNamespace(own);
  }

  /** Takes over what the node's links lead to now. */
  update({ inodes: present, unnamed }: Neighbours): void {
    for (const inode of this.known) if (!present.has(inode)) this.leave(inode);
    let over = 0;
    for (const inode of present) {
      clearTimeout(this.leaving.get(inode));
      this.leaving.delete(inode);
      if (!this.maps.addNamespace(inode)) over++;
    }
    this.known = present;
    if (over > 0 && !this.toldOver) this.log.warn('more network namespaces than the programs can tell apart', { over });
    this.toldOver = over > 0;
    if (unnamed > 0 && !this.toldUnnamed && this.maps.nodeOnly) {
      this.log.warn('kernel events of namespaces without a name under /run/netns are not counted', { links: unnamed });
    }
    this.toldUnnamed = unnamed > 0;
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
