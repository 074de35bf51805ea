import type { Interface, LoadedFlowSource, LoadedObject, LoaderApi, ObjectSpec } from '@retina/loader';
import type { Logger, RetinaError, Tap } from '@retina/sdk';
import { TapChain, type TapMember } from './chain.ts';
import { incomplete, TapEntry } from './entry.ts';
import { NodeNamespaces, namespacesOf } from './node-namespaces.ts';
import { tapCandidates, type TapPatterns, uplinksOf } from './roles.ts';
import { SharedMaps, type Share } from './shared-maps.ts';

/** Least time between two readings of the interfaces, in milliseconds. */
const SETTLE_MS = 10;
/** Between two readings without any event: namespaces get their names without one. */
const REFRESH_MS = 30_000;
const RETRY_MS = 1000;
/** By then a packet that was under way has long passed. */
const PASSED_MS = 100;

export interface TapSettings extends TapPatterns {
  readonly mode: 'auto' | 'clsact';
}

export type TapListener = (change: 'added' | 'changed' | 'removed', tap: Tap) => void;
/** Tells a tap plugin that some interfaces could not be tapped, or (undefined) that all are. */
export type TapReport = (cause: RetinaError | undefined) => void;

/**
 * Follows the interfaces of the agent's network namespace and keeps one program on both hooks of each one that counts
 * (see `tapCandidates`), with the other tap plugins behind it (see `TapChain`). An event only says that something changed;
 * the interfaces are then read as a whole, so a lost event costs nothing. Interfaces are known by index: one that comes
 * back under the same name is another one.
 */
export class TapService {
  private readonly loader: LoaderApi;
  private readonly log: Logger;
  private settings: TapSettings;
  private readonly maps: SharedMaps;
  private readonly chain: TapChain;
  private readonly namespaces: NodeNamespaces;
  private readonly entries = new Map<number, TapEntry>();
  private readonly reports = new Map<TapMember, TapReport>();
  private readonly listeners = new Set<TapListener>();
  private readonly sources = new Set<LoadedFlowSource>();
  private subscription: Disposable | undefined;
  private refresh: NodeJS.Timeout | undefined;
  private next: NodeJS.Timeout | undefined;
  private reading: Promise<void> | undefined;
  private again = false;
  private stopped = false;

  /** `nodeOnly`: kernel-wide events are counted in this node's namespaces only. */
  constructor(loader: LoaderApi, settings: TapSettings, nodeOnly: boolean, log: Logger) {
    this.loader = loader;
    this.settings = settings;
    this.log = log;
    this.maps = new SharedMaps(loader, nodeOnly);
    this.namespaces = new NodeNamespaces(this.maps, loader.ownNetns(), log);
    this.chain = new TapChain({
      slots: (hook) => this.maps.chain(hook),
      relink: (hook, program) => this.entries.forEach((entry) => entry.relink(hook, program)),
      later: (task) => void setTimeout(() => this.stopped || task(), PASSED_MS).unref(),
    });
  }

  /** Subscribes, reads the interfaces once, and goes on following them until `stop`. */
  async start(): Promise<void> {
    this.subscribe();
    this.refresh = setInterval(() => this.poke(), REFRESH_MS).unref();
    await this.read();
  }

  /** Resolves when every interface known now carries what it should, or has failed to. */
  async settled(): Promise<void> {
    await Promise.all([...this.entries.values()].map((entry) => entry.attach()));
  }

  /** Detaches everything. */
  stop(): void {
    this.stopped = true;
    clearInterval(this.refresh);
    clearTimeout(this.next);
    this.subscription?.[Symbol.dispose]();
    for (const entry of this.entries.values()) entry.close();
    this.entries.clear();
    this.namespaces[Symbol.dispose]();
    this.maps[Symbol.dispose]();
  }

  /** Takes over new patterns; a change of mode holds for interfaces attached from now on. */
  configure(settings: TapSettings): void {
    this.settings = settings;
    this.poke();
  }

  list(): readonly Tap[] {
    return [...this.entries.values()].map((entry) => entry.tap());
  }

  watch(listener: TapListener): Disposable {
    this.listeners.add(listener);
    for (const tap of this.list()) listener('added', tap);
    return { [Symbol.dispose]: () => void this.listeners.delete(listener) };
  }

  /** What an object must be loaded with to be part of the chain. */
  share(spec: ObjectSpec, object: string): Share {
    return this.maps.share(spec, object);
  }

  /**
   * Puts an object's tap programs on every tap until disposed of, which happens at once and completely. The one of the
   * lowest rank stands first.
   */
  attach(object: LoadedObject, name: string, rank: () => number, report: TapReport): Disposable {
    const member: TapMember = { object, name, rank };
    this.chain.add(member);
    this.reports.set(member, report);
    report(incomplete(this.entries.values())); // what is known of before nobody tells again
    for (const entry of this.entries.values()) void entry.attach();
    return {
      [Symbol.dispose]: () => {
        if (!this.reports.delete(member)) return;
        this.chain.remove(member);
        for (const entry of this.entries.values()) this.notify('changed', entry);
      },
    };
  }

  /** To be called when ranks have changed. */
  reorder(): void {
    this.chain.sort();
  }

  /** Tells a flow source about every interface, now and later. */
  describeTo(source: LoadedFlowSource): Disposable {
    this.sources.add(source);
    for (const entry of this.entries.values()) source.setInterface(entry.ifindex, entry.role, endpointNetns(entry));
    return { [Symbol.dispose]: () => void this.sources.delete(source) };
  }

  private subscribe(): void {
    try {
      this.subscription = this.loader.watchNetwork((event) => {
        if (event.type !== 'address') this.poke();
      });
    } catch (error) {
      this.log.error('interfaces cannot be followed, only read now and then; trying again', { error: String(error) });
      setTimeout(() => this.stopped || this.subscribe(), RETRY_MS).unref();
      this.poke();
    }
  }

  /** Something may have changed: read soon, and once more if it happens while reading. */
  private poke(): void {
    if (this.stopped) return;
    if (this.reading || this.next) this.again = true;
    else void this.read();
  }

  private read(): Promise<void> {
    return (this.reading ??= this.readOnce().then(
      () => this.settle(SETTLE_MS),
      (error: unknown) => {
        this.log.error('interfaces cannot be read; trying again', { error: String(error) });
        this.again = true;
        this.settle(RETRY_MS);
      },
    ));
  }

  /** For a short while after a reading, changes are gathered for the next one. */
  private settle(ms: number): void {
    this.reading = undefined;
    if (this.stopped) return;
    this.next = setTimeout(() => {
      this.next = undefined;
      if (this.again) this.poke();
    }, ms);
  }

  private async readOnce(): Promise<void> {
    this.again = false;
    const [interfaces, routes, namespaces] = await Promise.all([
      this.loader.interfaces(),
      this.loader.defaultRoutes(),
      this.loader.namedNamespaces(),
    ]);
    if (this.stopped) return;
    this.namespaces.update(namespacesOf(interfaces, uplinksOf(interfaces, routes), namespaces));
    const inodes = new Map(namespaces.map(({ netnsid, inode }) => [netnsid, inode]));
    const wanted = tapCandidates(interfaces, routes, this.settings);
    for (const [ifindex, entry] of this.entries) {
      if (!wanted.has(ifindex)) this.forget(entry);
    }
    for (const [ifindex, candidate] of wanted) {
      const peerNetns = peerOf(candidate.interface, inodes);
      const known = this.entries.get(ifindex);
      if (known) {
        if (known.describe(candidate, peerNetns)) this.describe(known, 'changed');
        continue;
      }
      const { chain, log } = this;
      const entry = new TapEntry(candidate, peerNetns, {
        chain,
        log,
        mode: () => this.settings.mode,
        changed: (one) => this.notify('changed', one),
      });
      this.entries.set(ifindex, entry);
      this.describe(entry, 'added');
      void entry.attach();
    }
    const uplinks = [...this.entries.values()].filter(({ role }) => role === 'uplink').map(({ ifindex }) => ifindex);
    const over = this.maps.setUplinks(uplinks);
    if (over > 0) this.log.warn('more uplinks than the programs can tell apart', { uplinks: uplinks.length, over });
  }

  private forget(entry: TapEntry): void {
    this.entries.delete(entry.ifindex);
    entry.close();
    for (const source of this.sources) source.removeInterface(entry.ifindex);
    this.notify('removed', entry);
  }

  private describe(entry: TapEntry, change: 'added' | 'changed'): void {
    for (const source of this.sources) source.setInterface(entry.ifindex, entry.role, endpointNetns(entry));
    this.notify(change, entry);
  }

  private notify(change: 'added' | 'changed' | 'removed', entry: TapEntry): void {
    const tap = entry.tap();
    for (const listener of this.listeners) listener(change, tap);
    const cause = incomplete(this.entries.values());
    for (const report of this.reports.values()) report(cause);
  }
}

function peerOf(one: Interface, inodes: ReadonlyMap<number, number>): number {
  return one.linkNetnsid === -1 ? 0 : (inodes.get(one.linkNetnsid) ?? 0);
}

/** The namespace that a tap's flows belong to: behind an uplink that is a veth lies somebody else's. */
function endpointNetns({ role, peerNetns }: TapEntry): number {
  return role === 'endpoint' ? peerNetns : 0;
}
