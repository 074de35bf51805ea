import type { BpfMap, BpfProgram, LoadedObject } from '@retina/loader';
import { RetinaError } from '@retina/sdk';

export const HOOKS = ['ingress', 'egress'] as const;
export type Hook = (typeof HOOKS)[number];

/** One object's tap programs, for both hooks. */
export interface TapMember {
  readonly object: LoadedObject;
  readonly name: string;
  /** Lower ones stand first where that costs nothing: the place in the configuration. */
  readonly rank: number;
}

export interface ChainPorts {
  /** The program array behind a hook; undefined while no tap object is loaded. */
  slots(hook: Hook): BpfMap | undefined;
  /** Puts `program` onto every link of a hook, atomically on each; undefined detaches them. */
  relink(hook: Hook, program: BpfProgram | undefined): void;
}

/**
 * Which program stands on the hooks and which ones behind it. The first member is attached, alone or as head; the others
 * fill slots 0, 1, … of the program arrays without a hole, because a hole ends the chain.
 *
 * Every change is synchronous, so that a member's object may be closed as soon as it has left. What a change costs in
 * counts: joining, and leaving as the last one or as one of two, is exact. When a member in the middle leaves, those
 * behind it move up one by one before the end is cut, so for some microseconds a packet may pass the last one twice; when
 * the head of three or more leaves, those behind the second miss the packets of as short a time.
 */
export class TapChain {
  readonly members: TapMember[] = [];
  private readonly ports: ChainPorts;

  constructor(ports: ChainPorts) {
    this.ports = ports;
  }

  /** The member whose program is attached, and that program. */
  top(hook: Hook): { member: TapMember; program: string } | undefined {
    const member = this.members[0];
    return member && { member, program: programName(member, hook, this.members.length > 1 ? '_head' : '') };
  }

  add(member: TapMember): void {
    for (const hook of HOOKS) {
      for (const variant of ['', '_head', '_member'] as const)
        member.object.program(programName(member, hook, variant));
      const room = this.ports.slots(hook)?.maxEntries ?? 0;
      if (this.members.length > room) {
        throw new RetinaError('RETINA_ATTACH_FAILED', 'the tap chain is full', {
          found: `${this.members.length} tap plugins`,
          needed: `at most ${room + 1}`,
          next: 'disable one of them',
        });
      }
    }
    // In front of a single member: that one waits in slot 0 before the links move, so no packet misses either.
    const first = this.members.length === 1 && member.rank < this.members[0]!.rank;
    if (first) this.members.unshift(member);
    else this.members.push(member);
    const last = this.members.length - 1;
    try {
      for (const hook of HOOKS) {
        if (last > 0) this.setSlot(hook, last - 1, this.members[last]!);
        if (last <= 1) this.relink(hook);
      }
    } catch (error) {
      this.remove(member);
      throw error;
    }
  }

  remove(member: TapMember): void {
    const at = this.members.indexOf(member);
    if (at < 0) return;
    this.members.splice(at, 1);
    for (const hook of HOOKS) {
      if (at === 0) this.replaceHead(hook);
      else this.closeGap(hook, at - 1);
      if (at > 0 && this.members.length === 1) this.relink(hook);
    }
  }

  /** The new head runs alone while the slots behind it move up: it neither misses a packet nor sees one twice. */
  private replaceHead(hook: Hook): void {
    const head = this.members[0];
    this.ports.relink(hook, head?.object.program(programName(head, hook, '')));
    if (!head) return;
    this.closeGap(hook, 0);
    if (this.members.length > 1) this.relink(hook);
  }

  /** Fills slots from `from` on with who belongs there now, then empties the one slot too many. */
  private closeGap(hook: Hook, from: number): void {
    for (let slot = from; slot < this.members.length - 1; slot++) this.setSlot(hook, slot, this.members[slot + 1]!);
    this.ports.slots(hook)?.setProgram(this.members.length - 1, undefined);
  }

  private setSlot(hook: Hook, slot: number, member: TapMember): void {
    this.ports.slots(hook)!.setProgram(slot, member.object.program(programName(member, hook, '_member')));
  }

  private relink(hook: Hook): void {
    const top = this.top(hook);
    this.ports.relink(hook, top?.member.object.program(top.program));
  }
}

function programName(member: TapMember, hook: Hook, variant: '' | '_head' | '_member'): string {
  return `${member.name}_${hook}${variant}`;
}
