import { mix } from './hash.ts';
import type { Packet } from './packet.ts';
import type { Print } from './print.ts';

/** A message between one client and whoever is the same message on its way for so long after it was last seen. */
const CLIENT_MS = 50;
/** One to or from a server, of whatever client, for so long: behind a translated address. */
const SERVER_MS = 20;

/**
 * Knows a message again that passes several taps of the node: a pod's interface and the uplink, or the interfaces of two
 * pods. The same message is one of the same bytes, protocol and client that was seen a moment ago at another tap; where
 * the client's address is translated on the way, one of the same server that was seen at a pod's interface and is now seen
 * at the uplink, or the other way round. A copy sent again passes each tap once more: there are as many messages as the tap
 * that has seen most of them has seen.
 */
export class Sightings {
  private readonly clients = new Copies(CLIENT_MS);
  private readonly servers = new Copies(SERVER_MS);

  /** Whether it is to be counted here: it was not seen before at another tap. */
  first(packet: Packet, response: boolean, print: Print): boolean {
    const { clients, servers } = this;
    const { words, protocol, sourcePort, destinationPort, at } = packet;
    clients.key(print, protocol, words, response ? 4 : 0, response ? destinationPort : sourcePort);
    if (!clients.see(tapOf(packet), at)) return false;
    servers.key(print, protocol, words, response ? 0 : 4, response ? sourcePort : destinationPort);
    return servers.see(packet.network ? 1 : 2, at);
  }

  /** It is expected, and to be counted, at the tap where its query was counted; this is another one. */
  passing(packet: Packet, print: Print): void {
    this.clients.key(print, packet.protocol, packet.words, 4, packet.destinationPort);
    this.clients.pass(tapOf(packet), packet.at);
  }

  /** It has come to the tap where its query was counted. Whether it is to be counted: it is, unless it was at another one, unexpected there. */
  arrived(packet: Packet, print: Print): boolean {
    this.clients.key(print, packet.protocol, packet.words, 4, packet.destinationPort);
    return this.clients.arrive(tapOf(packet), packet.at);
  }
}

/** Never 0. */
function tapOf({ ifindex, egress }: Packet): number {
  return ((ifindex << 1) | (egress ? 1 : 0)) + 1;
}

const WAYS = 8;
const SETS = 4096;
/** Keys that are remembered: with 40 000 messages a second those of the last 400 ms. */
const SLOTS = 16_384;
const AGE_BITS = 18;
const AGE_MASK = (1 << AGE_BITS) - 1;
/** A message passes hardly more taps of one node. */
const TAPS = 3;
const COUNTED = 2; // messages counted, of this key
const TAP = 3; // taps: each with the copies it has seen, and how many of them are yet to be counted elsewhere
const TAP_CELLS = 3;
const CELLS = TAP + TAP_CELLS * TAPS;

/**
 * Copies of messages by a key of 64 bits and tap. Keys lie in the order they came in, the newest in place of the oldest, so
 * that those of now are neighbours in memory; a small index says by hash which of them it may be: in sets of eight, a few
 * bits of the hash and the key's turn, from which follow its slot and its age.
 */
class Copies {
  private readonly cells = new Int32Array(SLOTS * CELLS);
  private readonly times = new Float64Array(SLOTS);
  private readonly index = new Int32Array(SETS * WAYS);
  private readonly windowMs: number;
  /** Of the next key, from 0 again behind AGE_MASK. At first so far on that what lies in the index from the start is too old to be one. */
  private turn = SLOTS + 1;
  private keyFirst = 0;
  private keySecond = 0;

  constructor(windowMs: number) {
    this.windowMs = windowMs;
  }

  /** What is looked for next: a message, and the address and port at one end of it. */
  key(print: Print, protocol: number, words: Int32Array, from: number, port: number): void {
    let first = mix(print.first ^ protocol, print.id);
    let second = mix(print.second ^ protocol, print.id);
    for (let i = from; i < from + 4; i++) {
      first = mix(first, words[i]!);
      second = mix(second, words[i]!);
    }
    this.keyFirst = mix(first, port);
    this.keySecond = mix(second, port);
  }

  see(tap: number, at: number): boolean {
    const { cells } = this;
    const slot = this.slot(at);
    const own = this.seenBy(slot, tap);
    if (own < 0 || cells[own + 1]! <= cells[slot + COUNTED]! + cells[own + 2]!) return false;
    cells[slot + COUNTED]!++;
    this.settle(slot, own);
    return true;
  }

  pass(tap: number, at: number): void {
    const own = this.seenBy(this.slot(at), tap);
    if (own >= 0) this.cells[own + 2]!++;
  }

  arrive(tap: number, at: number): boolean {
    const { cells } = this;
    const slot = this.slot(at);
    const own = this.seenBy(slot, tap);
    const awaited = this.settle(slot, own);
    if (!awaited && own >= 0 && cells[own + 1]! <= cells[slot + COUNTED]!) return false;
    cells[slot + COUNTED]!++;
    return true;
  }

  /** What other taps saw pass has arrived. Whether there was any. */
  private settle(slot: number, own: number): boolean {
    const { cells } = this;
    let any = false;
    for (let at = slot + TAP; at < slot + CELLS; at += TAP_CELLS) {
      if (at === own || cells[at + 2] === 0) continue;
      cells[at + 2]!--;
      any = true;
    }
    return any;
  }

  /** Cells of a tap that has seen one copy more; -1 for a tap too many. */
  private seenBy(slot: number, tap: number): number {
    const { cells } = this;
    for (let at = slot + TAP; at < slot + CELLS; at += TAP_CELLS) {
      if (cells[at] === 0) cells[at] = tap;
      if (cells[at] !== tap) continue;
      cells[at + 1]!++;
      return at;
    }
    return -1;
  }

  /** Cells of the key, made anew unless it was seen a moment ago. */
  private slot(at: number): number {
    const { cells, times, index, keyFirst, keySecond } = this;
    const set = (keyFirst & (SETS - 1)) * WAYS;
    const mark = keySecond & ~AGE_MASK;
    let oldest = set;
    let most = -1;
    for (let way = set; way < set + WAYS; way++) {
      const entry = index[way]!;
      const age = (this.turn - entry) & AGE_MASK;
      if ((entry & ~AGE_MASK) === mark && age <= SLOTS) {
        let slot = entry & (SLOTS - 1);
        if (cells[slot * CELLS] === keyFirst && cells[slot * CELLS + 1] === keySecond) {
          const fresh = Math.abs(at - times[slot]!) <= this.windowMs;
          if (age > SLOTS / 2) slot = this.renew(way, mark, slot);
          times[slot] = at;
          if (!fresh) forget(cells, slot * CELLS);
          return slot * CELLS;
        }
      }
      if (age > most) [oldest, most] = [way, age];
    }
    const slot = this.take(oldest, mark);
    times[slot] = at;
    const cell = slot * CELLS;
    cells[cell] = keyFirst;
    cells[cell + 1] = keySecond;
    forget(cells, cell);
    return cell;
  }

  /** The next slot, found by this place of the index from now on. */
  private take(way: number, mark: number): number {
    const { turn } = this;
    this.index[way] = mark | turn;
    this.turn = (turn + 1) & AGE_MASK;
    return turn & (SLOTS - 1);
  }

  /** Moves a key that is in use still among the newest, so that none comes in its place. */
  private renew(way: number, mark: number, from: number): number {
    const slot = this.take(way, mark);
    this.cells.copyWithin(slot * CELLS, from * CELLS, (from + 1) * CELLS);
    return slot;
  }
}

function forget(cells: Int32Array, cell: number): void {
  for (let at = cell + COUNTED; at < cell + CELLS; at++) cells[at] = 0;
}
