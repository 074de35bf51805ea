import type { BpfProgram, TapLink } from '@retina/loader';
import { type Logger, RetinaError, type Tap } from '@retina/sdk';
import type { Candidate } from './roles.ts';
import { HOOKS, type Hook, type TapChain } from './chain.ts';

const RETRY_MS = 1000;
const RETRY_MAX_MS = 60_000;

export interface EntryPorts {
  readonly chain: TapChain;
  readonly log: Logger;
  mode(): 'auto' | 'clsact';
  changed(entry: TapEntry): void;
}

/** One tapped interface: its links, and what went wrong with them. */
export class TapEntry {
  readonly ifindex: number;
  name: string;
  role: Tap['role'];
  peerNetns: number;
  private readonly ports: EntryPorts;
  private readonly links = new Map<Hook, TapLink>();
  private readonly errors = new Map<Hook, string>();
  private attaching: Promise<void> | undefined;
  private wanted = false;
  private failures = 0;
  private retry: NodeJS.Timeout | undefined;
  private gone = false;

  constructor(candidate: Candidate, peerNetns: number, ports: EntryPorts) {
    this.ifindex = candidate.interface.ifindex;
    this.name = candidate.interface.name;
    this.role = candidate.role;
    this.peerNetns = peerNetns;
    this.ports = ports;
  }

  get error(): string | undefined {
    if (this.errors.size === 0) return undefined;
    return HOOKS.flatMap((hook) => (this.errors.has(hook) ? [`${hook}: ${this.errors.get(hook)}`] : [])).join('; ');
  }

  tap(): Tap {
    const { ifindex, name, role, peerNetns, error } = this;
    const mode = this.links.values().next().value?.mode ?? 'none';
    return { ifindex, name, role, mode, peerNetns, ...(error !== undefined && { error }) };
  }

  /** Takes over what may change about an interface; true if something did. */
  describe(candidate: Candidate, peerNetns: number): boolean {
    const { name } = candidate.interface;
    if (name === this.name && candidate.role === this.role && peerNetns === this.peerNetns) return false;
    Object.assign(this, { name, role: candidate.role, peerNetns });
    return true;
  }

  /** Attaches what should be attached and is not. Never throws: failures are kept, shown and tried again. */
  attach(): Promise<void> {
    this.wanted = true;
    return (this.attaching ??= this.attachAll().finally(() => (this.attaching = undefined)));
  }

  private async attachAll(): Promise<void> {
    clearTimeout(this.retry);
    const before = this.tap();
    while (this.wanted && !this.gone) {
      this.wanted = false;
      await Promise.all(HOOKS.map((hook) => this.attachHook(hook)));
    }
    if (this.gone) return;
    const after = this.tap();
    if (this.errors.size === 0) this.failures = 0;
    else {
      const wait = Math.min(RETRY_MS * 2 ** this.failures++, RETRY_MAX_MS) * (0.8 + 0.4 * Math.random());
      this.retry = setTimeout(() => void this.attach(), wait).unref();
      if (after.error !== before.error) {
        this.ports.log.warn('an interface is not tapped', { interface: this.name, error: after.error });
      }
    }
    if (after.error !== before.error || after.mode !== before.mode) this.ports.changed(this);
  }

  private async attachHook(hook: Hook): Promise<void> {
    const top = this.ports.chain.top(hook);
    if (!top || this.links.has(hook)) return;
    try {
      const link = await top.member.object.attachTap(top.program, this.ifindex, hook, this.ports.mode());
      this.errors.delete(hook);
      // The chain may have changed meanwhile; the link must carry what belongs there now.
      const now = this.ports.chain.top(hook);
      if (!now || this.gone) return link[Symbol.dispose]();
      this.links.set(hook, link);
      if (now.member !== top.member || now.program !== top.program) {
        this.relink(hook, now.member.object.program(now.program));
      }
    } catch (error) {
      const now = this.ports.chain.top(hook);
      if (!now || this.gone) this.errors.delete(hook);
      else if (now.member !== top.member) this.wanted = true;
      else this.errors.set(hook, error instanceof Error ? error.message : String(error));
    }
  }

  /** Moves the link of a hook to another program; without one detaches it. */
  relink(hook: Hook, program: BpfProgram | undefined): void {
    const link = this.links.get(hook);
    if (program === undefined) {
      this.errors.delete(hook);
      this.links.delete(hook);
      link?.[Symbol.dispose]();
      return;
    }
    try {
      link?.update(program);
    } catch (error) {
      // The interface is vanishing, or the kernel refuses: start over with a fresh link.
      this.ports.log.warn('a tap could not change its program', { interface: this.name, error: String(error) });
      this.links.delete(hook);
      link?.[Symbol.dispose]();
      void this.attach();
    }
  }

  /** The interface is gone or no longer wanted. */
  close(): void {
    this.gone = true;
    clearTimeout(this.retry);
    this.errors.clear();
    for (const link of this.links.values()) link[Symbol.dispose]();
    this.links.clear();
  }
}

/** Why not every interface is tapped in full; undefined if all are. */
export function incomplete(entries: Iterable<TapEntry>): RetinaError | undefined {
  const all = [...entries];
  const failed = all.filter((one) => one.error !== undefined);
  if (failed.length === 0) return undefined;
  const found = failed.slice(0, 3).map((one) => `${one.name}: ${one.error}`);
  return new RetinaError(
    'RETINA_ATTACH_FAILED',
    `${failed.length} of ${all.length} interfaces are not tapped in full`,
    { found: found.join(' | '), next: 'the rest is observed; it is tried again', retryable: true },
  );
}
