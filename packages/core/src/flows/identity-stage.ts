import { Direction, type FlowBatch, Observation } from '@retina/sdk';
import { V4_MAPPED } from '../identity/address.ts';
import type { EndpointTable } from '../identity/table.ts';
import { resized } from '../metrics/series-table.ts';
import { rememberedFlow } from './flow-id.ts';
import type { TranslationTable } from './nat.ts';
import type { Selection } from './selection.ts';
import { Translations } from './translations.ts';

const CELLS = 5; // epoch, source, destination, tap, aside
/** Where translations are known, a connection younger than this is looked up again: word of it may be on its way. */
const SETTLED_MS = 2000;

/**
 * Writes endpoint ids into flow records: by interface or namespace first, by address second. What was found is
 * remembered by flow id until the flow's slot has a new owner or identity changes.
 */
export class IdentityStage {
  private readonly endpoints: EndpointTable;
  private readonly translations: Translations;
  private readonly nat: TranslationTable | undefined;
  private readonly selection: Selection | undefined;
  private cache = new Uint32Array(1024 * CELLS);
  private readonly uplinkRows: number[] = [];
  private readonly words: [number, number, number, number] = [0, 0, 0, 0];
  /** The record at hand has an address that has changed hands lately. */
  private timed = false;
  /** By row of the batch at hand, where pods are selected. */
  private marks: Uint8Array | undefined;

  /**
   * `nat`: what the node is known to translate; without it, or where it knows nothing, flows at the uplinks are matched.
   * `selection`: which records are left aside; without it none are.
   */
  constructor(endpoints: EndpointTable, now: () => number = Date.now, nat?: TranslationTable, selection?: Selection) {
    this.endpoints = endpoints;
    this.nat = nat;
    this.selection = selection;
    this.translations = new Translations(now);
  }

  /** Afterwards `batch.aside(row)` says as well whether the record is one of those that nobody chose. */
  resolve(batch: FlowBatch): void {
    const { endpoints, uplinkRows } = this;
    const marks = (this.marks = batch.markAside(this.selection?.on === true));
    for (let row = 0; row < batch.length; row++) {
      const flow = rememberedFlow(batch, row);
      const at = flow * CELLS;
      if (flow !== 0 && at < this.cache.length && this.cache[at] === endpoints.epoch && batch.fresh(row) === 0) {
        const { cache } = this;
        batch.setEndpoints(row, cache[at + 1]!, cache[at + 2]!, cache[at + 3]!);
        if (marks) marks[row] = cache[at + 4]!;
      } else this.lookUp(batch, row);
    }
    if (uplinkRows.length === 0) return;
    // Once what pods sent in this batch is known: an uplink shows some of it again, behind the host's address.
    for (const row of uplinkRows) this.lookUpBehindHost(batch, row);
    uplinkRows.length = 0;
  }

  private lookUp(batch: FlowBatch, row: number): void {
    const { endpoints } = this;
    // Signed, and one by one: as closures or unsigned they would be objects, thousands a second.
    const s0 = batch.sourceWord(row, 0) | 0;
    const s1 = batch.sourceWord(row, 1) | 0;
    const s2 = batch.sourceWord(row, 2) | 0;
    const s3 = batch.sourceWord(row, 3) | 0;
    const d0 = batch.destinationWord(row, 0) | 0;
    const d1 = batch.destinationWord(row, 1) | 0;
    const d2 = batch.destinationWord(row, 2) | 0;
    const d3 = batch.destinationWord(row, 3) | 0;
    // A record may come after an address has got a new owner: whose it was counts, not whose it is.
    const time = batch.start(row) || Infinity;
    let source = endpoints.findAt(s0, s1, s2, s3, time);
    let destination = endpoints.findAt(d0, d1, d2, d3, time);
    this.timed = endpoints.changedLately(s0, s1, s2, s3) || endpoints.changedLately(d0, d1, d2, d3);
    let tap = 0;
    switch (batch.observation(row)) {
      case Observation.FROM_ENDPOINT:
        tap = endpoints.byInterface(batch.ifindex(row)) || endpoints.byNetns(batch.netns(row));
        source = endpoints.behind(tap, source, false, this.wordsAt(s0, s1, s2, s3));
        tap &&= source;
        if (source !== 0 && this.isAway(destination)) this.askAgain(this.translations.pod(batch, row, true, source));
        destination ||= this.behindAddress(batch, row, false);
        break;
      case Observation.TO_ENDPOINT:
        tap = endpoints.byInterface(batch.ifindex(row)) || endpoints.byNetns(batch.netns(row));
        // What is for another stays that one's, and counts where that one is.
        if (endpoints.flooded(tap, destination)) break;
        destination = endpoints.behind(tap, destination, true, this.wordsAt(d0, d1, d2, d3));
        tap &&= destination;
        if (destination !== 0 && this.isAway(source))
          this.askAgain(this.translations.pod(batch, row, false, destination));
        source ||= this.behindAddress(batch, row, true);
        break;
      case Observation.TO_NETWORK:
        if (this.isAway(destination) && this.uplink(batch, row, true, source)) {
          return batch.setEndpoints(row, source, destination, 0);
        }
        break;
      case Observation.FROM_NETWORK:
        if (this.isAway(source) && this.uplink(batch, row, false, destination)) {
          return batch.setEndpoints(row, source, destination, 0);
        }
        break;
      default:
        // The interface of a kernel event may be one inside another namespace: its index means nothing here.
        tap = endpoints.byNetns(batch.netns(row));
        if (tap === 0 || endpoints.isHost(tap)) break;
        // Loopback means the namespace itself, as does an address of its own that others have as well; and what nobody
        // knows there is its own end, by the direction.
        if (source !== tap && destination !== tap) {
          if (source !== 0 && endpoints.claims(tap, s0, s1, s2, s3)) source = tap;
          if (destination !== 0 && endpoints.claims(tap, d0, d1, d2, d3)) destination = tap;
        }
        if (isLoopback(s0, s1, s2, s3)) source = tap;
        else if (source === 0 && destination !== tap && batch.direction(row) !== Direction.INGRESS) source = tap;
        if (isLoopback(d0, d1, d2, d3) || (destination === 0 && source !== tap)) destination = tap;
    }
    source = endpoints.atPort(source, batch.protocol(row), batch.sourcePort(row));
    destination = endpoints.atPort(destination, batch.protocol(row), batch.destinationPort(row));
    this.keep(batch, row, source, destination, tap);
  }

  /** An address by unsigned words; borrowed, valid until the next call. */
  private wordsAt(w0: number, w1: number, w2: number, w3: number): [number, number, number, number] {
    const { words } = this;
    words[0] = w0 >>> 0;
    words[1] = w1 >>> 0;
    words[2] = w2 >>> 0;
    words[3] = w3 >>> 0;
    return words;
  }

  private lookUpBehindHost(batch: FlowBatch, row: number): void {
    const out = batch.observation(row) === Observation.TO_NETWORK;
    const pod = this.toldBehindHost(batch, row, out) || this.translations.behindHost(batch, row, out);
    const known = pod !== 0 && this.endpoints.byId(pod).id !== 0;
    const source = known && out ? pod : batch.sourceEndpoint(row);
    const destination = known && !out ? pod : batch.destinationEndpoint(row);
    this.keep(batch, row, source, destination, 0);
  }

  /** The pod that the kernel's translation says an uplink's record is of; 0 if nothing is known. */
  private toldBehindHost(batch: FlowBatch, row: number, out: boolean): number {
    const ends = this.nat?.of(batch, row);
    if (!ends) return 0;
    const own = this.endpoints.find(...(out ? ends.source : ends.destination).words);
    return this.endpoints.hasInterface(own) ? own : 0;
  }

  /** Who is behind an address nobody here knows, a service's say: the end its packets are translated to. */
  private behindAddress(batch: FlowBatch, row: number, source: boolean): number {
    const ends = this.nat?.of(batch, row);
    return ends?.before ? this.endpoints.find(...(source ? ends.source : ends.destination).words) : 0;
  }

  /** Whether packets to an endpoint leave this host. */
  private isAway(id: number): boolean {
    return !this.endpoints.hasInterface(id) && !this.endpoints.isHost(id);
  }

  /** Whether a record of the host's address has to wait for the rest of the batch. Until then nothing of it is remembered. */
  private uplink(batch: FlowBatch, row: number, out: boolean, own: number): boolean {
    if (this.endpoints.isHost(own)) return this.uplinkRows.push(row) > 0;
    if (this.endpoints.hasInterface(own)) this.askAgain(this.translations.routed(batch, row, out));
    return false;
  }

  /** The answer for an uplink's flow has changed: it is looked up at its next record. */
  private askAgain(flow: number): void {
    if (flow !== 0) this.cache[flow * CELLS] = 0;
  }

  /** Whether word of a translation may be on its way. */
  private mayBeTold(batch: FlowBatch, row: number): boolean {
    return this.nat?.followed === true && batch.end(row) - batch.firstSeen(row) < SETTLED_MS;
  }

  private keep(batch: FlowBatch, row: number, source: number, destination: number, tap: number): void {
    batch.setEndpoints(row, source, destination, tap);
    const aside = this.marks !== undefined && this.selection!.leaves(batch, row) ? 1 : 0;
    if (this.marks) this.marks[row] = aside;
    const flow = rememberedFlow(batch, row);
    if (flow === 0) return;
    const at = flow * CELLS;
    if (at >= this.cache.length) this.cache = resized(this.cache, Math.max(at + CELLS, this.cache.length * 2));
    // 0 is no epoch: it is looked up again
    this.cache[at] = this.timed || this.mayBeTold(batch, row) ? 0 : this.endpoints.epoch;
    this.cache[at + 1] = source;
    this.cache[at + 2] = destination;
    this.cache[at + 3] = tap;
    this.cache[at + 4] = aside;
  }
}

/** Whether an address, given as signed words, is 127.0.0.0/8 or ::1. */
function isLoopback(w0: number, w1: number, w2: number, w3: number): boolean {
  if (w0 !== 0 || w1 !== 0) return false;
  return w2 === V4_MAPPED ? (w3 & 0xff) === 127 : w2 === 0 && w3 === 0x01000000;
}
