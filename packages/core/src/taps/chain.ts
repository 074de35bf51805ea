import type { BpfMap, BpfProgram, LoadedObject } from '@retina/loader';
import { RetinaError } from '@retina/sdk';

export const HOOKS = ['ingress', 'egress'] as const;
export type Hook = (typeof HOOKS)[number];

/** One object's tap programs, for both hooks. */
export interface TapMember {
  readonly object: LoadedObject;
  readonly name: string;
  /** Its place in the configuration; the lowest one stands first. */
  rank(): number;
}

export interface ChainPorts {
  /** The program array behind a hook; undefined while no tap object is loaded. */
  slots(hook: Hook): BpfMap | undefined;
  /** Puts `program` onto every link of a hook, atomically on each; undefined detaches them. */
  relink(hook: Hook, program: BpfProgram | undefined): void;
  /** Calls `task` when every packet has passed that is under way now. */
  later(task: () => void): void;
}

/**
 * Which program stands on the hooks and which ones behind it. The first member is attached, alone or as head; all others
 * are somewhere in the slots 0, 1, … of the program arrays, without a hole, because a hole ends the chain.
 *
 * Whoever stays sees every packet once, whatever joins or leaves. A program that meets a packet again passes it on
 * (rt_tap_bit), so a member may stand in several slots, and in one although it is the head. It is therefore enough that
 * nobody who stays is ever missing, for a packet at any place of the chain: a joiner comes behind the last slot; in the slot
 * of one who leaves, and at once, goes the last one; what then is there for nothing is taken away later, when nobody can be
 * between the two. A change is synchronous: a member's object may be closed as soon as it has left.
 */
export class TapChain {
  /** By rank. */
  readonly members: TapMember[] = [];
  private readonly ports: ChainPorts;
  /** What the program arrays of both hooks hold. */
  private readonly slots: TapMember[] = [];
  private attached: string | undefined;
  private attachedTo: TapMember | undefined;
  /** Counts changes; what is needless is taken away only when nothing has changed for a while. */
  private changes = 0;
  private tidying = false;

  constructor(ports: ChainPorts) {
    this.ports = ports;
  }

  /** The member whose program is attached, and that program. */
  top(hook: Hook): { member: TapMember; program: string } | undefined {
    const member = this.members[0];
    return member && { member, program: programName(member, hook, this.variant) };
  }

  add(member: TapMember): void {
    const { room } = this;
    if (this.members.length > room) {
      throw new RetinaError('RETINA_ATTACH_FAILED', 'the tap chain is full', {
        found: `${this.members.length} tap plugins`,
        needed: `at most ${room + 1}`,
        next: 'disable one of them',
      });
    }
    for (const hook of HOOKS) {
      for (const variant of ['', '_head', '_member'] as const)
        member.object.program(programName(member, hook, variant));
    }
    this.members.push(member);
    try {
      this.sort();
    } catch (error) {
      this.remove(member);
      throw error;
    }
  }

  remove(member: TapMember): void {
    const at = this.members.indexOf(member);
    if (at < 0) return;
    this.members.splice(at, 1);
    this.changes++;
    this.relink();
    while (this.slots.at(-1) === member) this.pop();
    this.slots.forEach((one, slot) => one === member && this.set(slot, this.slots.at(-1)!));
    this.tidyLater();
  }

  /** To be called when ranks have changed. */
  sort(): void {
    this.members.sort((a, b) => Math.sign(a.rank() - b.rank()) || 0); // two that are Infinity are equal
    this.changes++;
    for (const member of this.members.slice(1)) {
      if (this.slots.includes(member)) continue;
      if (this.slots.length >= this.room) while (this.tidy()); // only in a full chain is a change not exact
      this.set(this.slots.length, member);
    }
    this.relink();
    this.tidyLater();
  }

  /** How many may stand behind the head. */
  private get room(): number {
    return Math.min(...HOOKS.map((hook) => this.ports.slots(hook)?.maxEntries ?? 0));
  }

  private get variant(): '' | '_head' {
    return this.members.length > 1 ? '_head' : '';
  }

  /** Attaches the first member as what it is now, unless it is. */
  private relink(): void {
    const [head] = this.members;
    if (head === this.attachedTo && this.variant === this.attached) return;
    this.attachedTo = head;
    this.attached = this.variant;
    for (const hook of HOOKS) {
      this.ports.relink(hook, head?.object.program(programName(head, hook, this.variant)));
    }
  }

  private set(slot: number, member: TapMember): void {
    for (const hook of HOOKS) {
      this.ports.slots(hook)?.setProgram(slot, member.object.program(programName(member, hook, '_member')));
    }
    this.slots[slot] = member;
  }

  private pop(): void {
    for (const hook of HOOKS) this.ports.slots(hook)?.setProgram(this.slots.length - 1, undefined);
    this.slots.pop();
  }

  private tidyLater(): void {
    if (this.tidying || this.slots.every((_, slot) => !this.needless(slot))) return;
    this.tidying = true;
    const { changes } = this;
    this.ports.later(() => {
      this.tidying = false;
      if (changes === this.changes) this.tidy();
      this.tidyLater();
    });
  }

  /** One step towards slots that hold each member behind the head once; false if there is nothing to do. */
  private tidy(): boolean {
    const before = this.slots.length;
    while (this.needless(this.slots.length - 1)) this.pop();
    const gap = this.slots.findIndex((_, slot) => this.needless(slot));
    if (gap >= 0) this.set(gap, this.slots.at(-1)!);
    return gap >= 0 || this.slots.length < before;
  }

  private needless(slot: number): boolean {
    const member = this.slots[slot];
    return member !== undefined && (member === this.members[0] || this.slots.indexOf(member) < slot);
  }
}

function programName(member: TapMember, hook: Hook, variant: '' | '_head' | '_member'): string {
  return `${member.name}_${hook}${variant}`;
}
