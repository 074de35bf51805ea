import { hashBytes, mix, SEED, SEED_2 } from './hash.ts';
import type { Packet } from './packet.ts';

const WAYS = 4;
const SETS = 4096;
const CELLS = 4; // two hashes, interface and direction + 1, role
/** The same message between the same client and whoever: nothing but the message on its way. */
const CLIENT_MS = 1000;
/** From another client's address to the same server: the message behind a translated address, if it comes this soon. */
const SERVER_MS = 20;
/** Bytes of a message that are compared. */
const COMPARED = 512;

/**
 * Knows a message again that passes several taps of the node: a pod's interface and the uplink, or the interfaces of two
 * pods. A message is the same when its bytes and protocol are, its client or its server is, and it was seen at another tap
 * a moment ago. (A query sent again passes the same tap.) Addresses of one side may differ, as NAT changes them.
 */
export class Sightings {
  private readonly clients = new Seen(CLIENT_MS);
  private readonly servers = new Seen(SERVER_MS);

  /** Whether the message was seen at another tap before. Remembers this sighting if not. */
  again(packet: Packet, response: boolean, bytes: Uint8Array, from: number, end: number): boolean {
    const to = Math.min(end, from + COMPARED);
    const first = hashBytes(SEED ^ packet.protocol, bytes, from, to);
    const second = hashBytes(SEED_2 ^ packet.protocol, bytes, from, to);
    const { words } = packet;
    const client = response ? 4 : 0;
    const server = 4 - client;
    const clientPort = response ? packet.destinationPort : packet.sourcePort;
    const serverPort = response ? packet.sourcePort : packet.destinationPort;
    const tap = ((packet.ifindex << 1) | (packet.egress ? 1 : 0)) + 1;
    const role = packet.network ? 1 : 2;
    const { clients, servers } = this;
    clients.key(first, second, words, client, clientPort);
    servers.key(first, second, words, server, serverPort);
    if (clients.other(tap, role, packet.at, false) || servers.other(tap, role, packet.at, true)) return true;
    clients.add(tap, role, packet.at);
    servers.add(tap, role, packet.at);
    return false;
  }
}

/** Taps by a key of 64 bits, four to a set; the oldest gives way. */
class Seen {
  private readonly cells = new Int32Array(SETS * WAYS * CELLS);
  private readonly times = new Float64Array(SETS * WAYS);
  private readonly windowMs: number;
  private first = 0;
  private second = 0;

  constructor(windowMs: number) {
    this.windowMs = windowMs;
  }

  key(first: number, second: number, words: Int32Array, from: number, port: number): void {
    for (let i = from; i < from + 4; i++) {
      first = mix(first, words[i]!);
      second = mix(second, words[i]!);
    }
    this.first = mix(first, port);
    this.second = mix(second, port);
  }

  /** Whether the key was last seen at another tap, and not long ago; with `mixed`, of another role. */
  other(tap: number, role: number, at: number, mixed: boolean): boolean {
    const slot = this.find();
    if (slot < 0 || Math.abs(at - this.times[slot]!) > this.windowMs) return false;
    return this.cells[slot * CELLS + 2] !== tap && !(mixed && this.cells[slot * CELLS + 3] === role);
  }

  add(tap: number, role: number, at: number): void {
    let slot = this.find();
    if (slot < 0) {
      const set = (this.first & (SETS - 1)) * WAYS;
      slot = set;
      for (let way = 1; way < WAYS; way++) if (this.times[set + way]! < this.times[slot]!) slot = set + way;
    }
    const { cells } = this;
    cells[slot * CELLS] = this.first;
    cells[slot * CELLS + 1] = this.second;
    cells[slot * CELLS + 2] = tap;
    cells[slot * CELLS + 3] = role;
    this.times[slot] = at;
  }

  private find(): number {
    const set = (this.first & (SETS - 1)) * WAYS;
    for (let slot = set; slot < set + WAYS; slot++) {
      const at = slot * CELLS;
      if (this.cells[at] === this.first && this.cells[at + 1] === this.second && this.cells[at + 2] !== 0) return slot;
    }
    return -1;
  }
}
