import type { Config } from './declarations.ts';
import { HEADER } from './decode.ts';
import type { Packet } from './packet.ts';
import type { Half } from './half.ts';
import { Halves } from './halves.ts';

/** Why bytes of a stream became no message. */
export const DROPS = [
  'budget_stream', 'budget_total', 'evicted', 'gap', 'message_too_long', 'not_copied', 'not_dns', 'out_of_window', 'unfinished',
] as const; // prettier-ignore
export type Drop = (typeof DROPS)[number];

/** A message, borrowed; `packet` says whose. `whole` is false where bytes are missing at its end. */
export type OnMessage = (packet: Packet, bytes: Uint8Array, from: number, end: number, whole: boolean) => void;

const FIN = 1;
const SYN = 2;
const RST = 4;
/** Segments further from where the stream stands are not its own. */
const WINDOW = 1 << 20;
/** So many strays in a row, and it is the stream that has moved. */
const STRAYS = 3;
const GAP_MS = 1000;
const IDLE_MS = 120_000;
/** A closed one is remembered so long, lest segments sent again become messages again. */
const CLOSED_MS = 5000;
/** Bytes of a message that are kept; the rest is passed over. */
const MESSAGE = 8192;

/**
 * DNS over TCP: puts segments together, each way of each connection at each place for itself, within a budget, and hands over
 * the messages in them. Whoever forges segments costs a bounded amount of memory and gets counted.
 */
export class Streams {
  /** Bytes by {@link DROPS}. */
  readonly dropped: Record<Drop, number> = Object.fromEntries(DROPS.map((drop) => [drop, 0])) as Record<Drop, number>;
  /** Bytes held. */
  held = 0;
  private readonly halves: Halves;
  private readonly limits: Config['streams'];
  private readonly onMessage: OnMessage;
  /** Whose segment, or what is left of it, is being read. */
  private current!: Packet;

  constructor(limits: Config['streams'], isServerPort: (port: number) => boolean, onMessage: OnMessage) {
    this.limits = limits;
    this.onMessage = onMessage;
    this.halves = new Halves(limits.max, isServerPort, (oldest) => {
      this.current = oldest.origin;
      this.finish(oldest, 'evicted');
    });
  }

  get size(): number {
    return this.halves.size;
  }

  /** Takes a segment: `length` bytes of payload, of which those from `from` to `end` are here. */
  segment(packet: Packet, bytes: Uint8Array, from: number, end: number, now: number): void {
    const { flags, length } = packet;
    const half = this.halves.get(packet, (flags & SYN) !== 0 || length > 0);
    if (!half) return;
    this.current = packet;
    half.touchedAt = now;
    let { sequence } = packet;
    if (flags & SYN) {
      sequence = (sequence + 1) >>> 0;
      // one that comes late says nothing new
      if (!half.synced || half.closed || Math.abs((sequence - half.next) | 0) > WINDOW) {
        this.restart(half, 'unfinished');
        half.next = sequence;
        half.synced = true;
        half.closed = false;
      }
    }
    if (length > 0) this.take(half, packet, sequence, bytes, from, end);
    if (!(flags & (FIN | RST))) return;
    half.closed = true;
    if (half.segments.length === 0) this.finish(half, 'unfinished');
  }

  /** Gives up on gaps and on connections that have been silent. */
  sweep(now: number): void {
    for (const half of this.halves.values()) {
      this.current = half.origin;
      if (now - half.touchedAt > (half.closed ? CLOSED_MS : IDLE_MS)) {
        this.finish(half, 'unfinished');
        this.halves.delete(half);
      } else if (half.segments.length > 0 && now - half.heldSince > GAP_MS) {
        this.jump(half, half.segments[0]!.sequence, 'gap');
        this.drain(half);
      }
    }
  }

  private take(half: Half, packet: Packet, sequence: number, bytes: Uint8Array, from: number, end: number): void {
    const missing = packet.length - (end - from);
    if (!half.synced) {
      if (!half.startsMessage(bytes, from, end)) {
        this.dropped.not_dns += packet.length;
        return;
      }
      half.next = sequence;
      half.synced = true;
    }
    let ahead = (sequence - half.next) | 0;
    if (Math.abs(ahead) > WINDOW) {
      this.dropped.out_of_window += packet.length;
      if (++half.strays < STRAYS) return;
      this.restart(half, 'out_of_window');
      return;
    }
    half.strays = 0;
    if (ahead > 0) {
      this.hold(half, sequence, bytes.subarray(from, end), missing);
      return;
    }
    ahead = -ahead; // bytes seen before
    if (ahead >= packet.length) return;
    this.read(half, bytes, Math.min(from + ahead, end), end);
    if (missing > 0 && half.synced) this.jump(half, (sequence + packet.length) >>> 0, 'not_copied');
    this.drain(half);
  }

  /** Reads bytes that follow on what was read. */
  private read(half: Half, bytes: Uint8Array, from: number, end: number): void {
    half.next = (half.next + (end - from)) >>> 0;
    let at = from;
    while (at < end && half.synced) {
      if (half.skip > 0) {
        const n = Math.min(half.skip, end - at);
        half.skip -= n;
        at += n;
        continue;
      }
      const size = half.filled === 0 && end - at >= 2 ? (bytes[at]! << 8) | bytes[at + 1]! : -1;
      if (size >= HEADER && at + 2 + size <= end) {
        this.onMessage(this.current, bytes, at + 2, at + 2 + size, true);
        at += 2 + size;
      } else if (size >= 0 && size < HEADER) {
        // no message is that short: it is something else, or we are lost in it
        this.dropped.not_dns += end - at;
        this.restart(half, 'not_dns');
        return;
      } else at = this.collect(half, bytes, at, end);
    }
  }

  /** Adds to a message that has come in part. Returns how far it got. */
  private collect(half: Half, bytes: Uint8Array, at: number, end: number): number {
    const before = half.memory;
    at = half.collect(bytes, at, end, MESSAGE);
    this.held += half.memory - before;
    if (half.size >= 0 && half.size < HEADER) {
      this.dropped.not_dns += end - at;
      this.restart(half, 'not_dns');
      return end;
    }
    if (half.complete(MESSAGE)) this.deliver(half, 'message_too_long');
    else if (half.memory > this.limits.bytesEach) this.deliver(half, 'budget_stream');
    else if (this.held > this.limits.bytesTotal) this.deliver(half, 'budget_total');
    return at;
  }

  /** Hands over what there is of a message; its rest, if any, will be passed over. */
  private deliver(half: Half, cause: Drop): void {
    const { buffer, filled, left } = half;
    const before = half.memory;
    half.endMessage(left);
    this.held += half.memory - before;
    this.dropped[cause] += left;
    if (filled >= 2 + HEADER) this.onMessage(this.current, buffer, 2, filled, left === 0);
    else this.dropped[cause] += filled;
  }

  /** Keeps a segment that came too early. */
  private hold(half: Half, sequence: number, bytes: Uint8Array, missing: number): void {
    const cause = half.memory + bytes.length > this.limits.bytesEach ? 'budget_stream'
      : this.held + bytes.length > this.limits.bytesTotal ? 'budget_total' : undefined; // prettier-ignore
    if (cause) {
      this.dropped[cause] += bytes.length + missing;
      return;
    }
    if (half.segments.length === 0) half.heldSince = half.touchedAt;
    const before = half.memory;
    half.insert(sequence, bytes.slice(), missing);
    this.held += half.memory - before;
  }

  /** Reads held segments that now follow on. */
  private drain(half: Half): void {
    for (;;) {
      const first = half.segments[0];
      if (!first || !half.synced) return;
      const behind = (half.next - first.sequence) | 0;
      if (behind < 0) {
        half.heldSince = half.touchedAt;
        return;
      }
      this.held -= half.shift().bytes.length;
      if (behind < first.bytes.length) this.read(half, first.bytes, behind, first.bytes.length);
      const end = (first.sequence + first.bytes.length + first.missing) >>> 0;
      if (first.missing > 0 && ((end - half.next) | 0) > 0) this.jump(half, end, 'not_copied');
    }
  }

  /** Passes over bytes that will not come. If the end of the message they belong to is known, the stream goes on behind it. */
  private jump(half: Half, to: number, cause: Drop): void {
    let missing = (to - half.next) >>> 0;
    if (half.size >= HEADER) this.deliver(half, cause);
    half.next = to;
    const passed = Math.min(half.skip, missing);
    half.skip -= passed;
    missing -= passed;
    this.dropped[cause] += missing;
    if (missing > 0 || half.filled > 0) this.lose(half);
  }

  /** Where messages begin is not known any more: the next segment that looks like one's beginning says so. */
  private lose(half: Half): void {
    this.held -= half.reset();
    while (half.segments.length > 0) {
      const { bytes, sequence } = half.segments[0]!;
      if (half.startsMessage(bytes, 0, bytes.length)) {
        half.synced = true;
        half.next = sequence;
        return;
      }
      this.dropped.not_dns += bytes.length;
      this.held -= half.shift().bytes.length;
    }
  }

  /** Forgets everything but that the connection was there. */
  private restart(half: Half, cause: Drop): void {
    this.dropped[cause] += half.bytes;
    this.held -= half.memory;
    half.reset();
    while (half.segments.length > 0) half.shift();
  }

  /** The same, once what there is of a message was handed over. */
  private finish(half: Half, cause: Drop): void {
    const { synced, next } = half;
    if (half.size >= HEADER) this.deliver(half, cause);
    this.restart(half, cause);
    half.synced = synced;
    half.next = next;
  }
}
