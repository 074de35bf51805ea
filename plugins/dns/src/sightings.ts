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
    this.key(packet, response, print);
    if (!this.clients.see(tapOf(packet), packet.at)) return false;
    return this.servers.see(packet.network ? 1 : 2, packet.at);
  }

  /** It is expected, and to be counted, at the tap where its query was counted; this is another one. */
  passing(packet: Packet, print: Print): void {
    this.key(packet, true, print);
    this.clients.pass(tapOf(packet), packet.at);
  }

  /** It has come to the tap where its query was counted. Whether it is to be counted: it is, unless it was at another one, unexpected there. */
  arrived(packet: Packet, print: Print): boolean {
    this.key(packet, true, print);
    return this.clients.arrive(tapOf(packet), packet.at);
  }

  private key(packet: Packet, response: boolean, print: Print): void {
    const { words, protocol, sourcePort, destinationPort } = packet;
    const first = mix(print.first ^ protocol, print.id);
    const second = mix(print.second ^ protocol, print.id);
    this.clients.key(first, second, words, response ? 4 : 0, response ? destinationPort : sourcePort);
    this.servers.key(first, second, words, response ? 0 : 4, response ? sourcePort : destinationPort);
  }
}

/** Never 0. */
function tapOf({ ifindex, egress }: Packet): number {
  return ((ifindex << 1) | (egress ? 1 : 0)) + 1;
}

const WAYS = 4;
const SETS = 4096;
/** A message passes hardly more taps of one node. */
const TAPS = 3;
const COUNTED = 2; // messages counted, of this key
const TAP = 3; // taps: each with the copies it has seen, and how many of them are yet to be counted elsewhere
const TAP_CELLS = 3;
const CELLS = TAP + TAP_CELLS * TAPS;

/** Copies of messages by a key of 64 bits and tap: four keys to a set, of which the oldest gives way. */
class Copies {
  private readonly cells = new Int32Array(SETS * WAYS * CELLS);
  private readonly times = new Float64Array(SETS * WAYS);
  private readonly windowMs: number;
  private keyFirst = 0;
  private keySecond = 0;

  constructor(windowMs: number) {
    this.windowMs = windowMs;
  }

  key(first: number, second: number, words: Int32Array, from: number, port: number): void {
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
    const { cells, times, keyFirst, keySecond } = this;
    const set = (keyFirst & (SETS - 1)) * WAYS;
    let chosen = set;
    for (let way = set; way < set + WAYS; way++) {
      const cell = way * CELLS;
      if (cells[cell] === keyFirst && cells[cell + 1] === keySecond) {
        const fresh = Math.abs(at - times[way]!) <= this.windowMs;
        times[way] = at;
        if (!fresh) cells.fill(0, cell + 2, cell + CELLS);
        return cell;
      }
      if (times[way]! < times[chosen]!) chosen = way;
    }
    const cell = chosen * CELLS;
    cells.fill(0, cell + 2, cell + CELLS);
    cells[cell] = keyFirst;
    cells[cell + 1] = keySecond;
    times[chosen] = at;
    return cell;
  }
}
