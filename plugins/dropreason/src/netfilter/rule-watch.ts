import { type Netlink, NetlinkFamily, type NetlinkMessage } from '@retina/sdk';
import { chainItself, type Dropper, Message, ofChain, payload, type Place, readGeneration, readPolicy, readRule } from './nftables.ts'; // prettier-ignore

const DUMP = 0x300;
/** Chains that are asked one by one; with more, everything is read. */
const MAX_CHAINS = 64;
/** Everything is read so seldom that it takes at most a fiftieth of the time. */
const SHARE = 50;
/** Rules that are kept count of. */
const MAX_RULES = 4096;

/** What a rule has dropped since the last reading. */
export interface RuleDelta extends Place {
  readonly rule: string;
  readonly packets: number;
  readonly bytes: number;
}

export interface Reading {
  readonly outcome: 'everything' | 'changed_chains' | 'interrupted' | 'failed';
  /** Only of a complete reading. */
  readonly deltas: readonly RuleDelta[];
  /** Messages nobody could read. */
  readonly bad: number;
  readonly error?: unknown;
}

interface Known {
  readonly dropper: Dropper;
  readonly packets: number;
  readonly bytes: number;
}

/**
 * Reads what the rules of nf_tables drop. The whole ruleset only when it has changed, and seldom where it is large; in
 * between only the chains in which something drops.
 */
export class RuleWatch {
  /** Rules and policies that drop, with and without a counter. */
  counted = 0;
  uncounted = 0;
  private readonly netlink: Netlink;
  private readonly now: () => number;
  private known = new Map<string, Known>();
  private chains = new Map<string, Place>();
  private generation: number | undefined;
  private nextWhole = 0;

  constructor(netlink: Netlink, now: () => number = () => performance.now()) {
    this.netlink = netlink;
    this.now = now;
  }

  async read(): Promise<Reading> {
    let bad = 0;
    try {
      const generation = await this.askGeneration();
      const whole = (generation !== this.generation && this.now() >= this.nextWhole) || this.chains.size > MAX_CHAINS;
      if (whole && this.now() < this.nextWhole) return { outcome: 'changed_chains', deltas: [], bad };
      const started = this.now();
      const found: Dropper[] = [];
      const take = (read: (bytes: Uint8Array) => Dropper | undefined, wanted: number) => (messages: readonly NetlinkMessage[]) => {
        for (const message of messages) {
          try {
            const dropper = message.type === wanted ? read(message.payload) : undefined;
            if (dropper && found.length < MAX_RULES) found.push(dropper);
          } catch {
            bad++;
          }
        }
      }; // prettier-ignore
      let interrupted = false;
      const ask = async (type: number, flags: number, bytes: Uint8Array) => {
        const rules = type === Message.GET_RULE;
        const request = { family: NetlinkFamily.NETFILTER, type, flags, payload: bytes };
        const handle = take(rules ? readRule : readPolicy, rules ? Message.NEW_RULE : Message.NEW_CHAIN);
        interrupted ||= (await this.netlink.request(request, handle)).interrupted;
      };
      if (whole) {
        await ask(Message.GET_CHAIN, DUMP, payload());
        await ask(Message.GET_RULE, DUMP, payload());
        this.nextWhole = started + (this.now() - started) * SHARE;
      } else {
        for (const place of this.chains.values()) {
          await ask(Message.GET_CHAIN, 0, chainItself(place));
          await ask(Message.GET_RULE, DUMP, ofChain(place));
        }
      }
      // half a reading would look as if rules had gone
      if (interrupted || (await this.askGeneration()) !== generation)
        return { outcome: 'interrupted', deltas: [], bad };
      if (whole) this.generation = generation;
      return { outcome: whole ? 'everything' : 'changed_chains', deltas: this.compare(found), bad };
    } catch (error) {
      this.generation = undefined; // a chain may have gone
      return { outcome: 'failed', deltas: [], bad, error };
    }
  }

  private async askGeneration(): Promise<number> {
    let generation: number | undefined;
    const request = { family: NetlinkFamily.NETFILTER, type: Message.GET_GENERATION, flags: 0, payload: payload() };
    await this.netlink.request(request, (messages) => {
      for (const message of messages) {
        if (message.type === Message.NEW_GENERATION) generation ??= readGeneration(message.payload);
      }
    });
    return generation ?? -1;
  }

  /** What was added since the last reading. A rule that was replaced, its counter kept, goes on where it was. */
  private compare(found: readonly Dropper[]): RuleDelta[] {
    const known = new Map<string, Known>();
    this.chains = new Map();
    this.counted = this.uncounted = 0;
    for (const dropper of found) {
      this.chains.set(keyOf(dropper), dropper);
      if (dropper.counted) this.counted++;
      else this.uncounted++;
      if (dropper.counted) known.set(`${keyOf(dropper)} ${dropper.handle}`, { dropper, ...dropper.counted });
    }
    const gone = new Map<string, { packets: number; bytes: number }>();
    for (const [key, { dropper, packets, bytes }] of this.known) {
      if (known.has(key)) continue;
      const label = `${keyOf(dropper)} ${dropper.rule}`;
      const sum = gone.get(label) ?? { packets: 0, bytes: 0 };
      gone.set(label, { packets: sum.packets + packets, bytes: sum.bytes + bytes });
    }
    const deltas: RuleDelta[] = [];
    for (const [key, { dropper, packets, bytes }] of known) {
      const label = `${keyOf(dropper)} ${dropper.rule}`;
      const before = this.known.get(key) ?? gone.get(label) ?? { packets: 0, bytes: 0 };
      if (!this.known.has(key)) gone.delete(label);
      const goesOn = packets >= before.packets && bytes >= before.bytes;
      const added = goesOn ? packets - before.packets : packets;
      // a rule that never dropped anything has a series as well: 0 is an answer
      deltas.push({ ...dropper, packets: added, bytes: goesOn ? bytes - before.bytes : bytes });
    }
    this.known = known;
    return deltas;
  }
}

function keyOf({ family, table, chain }: Place): string {
  return `${family} ${table} ${chain}`;
}
