import { Direction, type FlowBatch } from '@retina/sdk';
import type { EndpointTable } from '../identity/table.ts';
import { rememberedFlow } from '../flows/flow-id.ts';
import { countsFor } from './counts-for.ts';
import type { PodOptions } from './pod-options.ts';
import { PodSide } from './pod-side.ts';
import { resized, SeriesTable } from './series-table.ts';

/** `resolve` says: this record counts for no endpoint here, or there is no room for another label tuple. */
export const NO_SAMPLE = -1;
const NO_ROOM = -2;

const CELLS = 4; // source endpoint, destination endpoint, generation and reply, target + 2
const NO_PORT = 65_536;
const DIRECTIONS = {
  local: ['unknown', 'ingress', 'egress'],
  remote: ['TRAFFIC_DIRECTION_UNKNOWN', 'INGRESS', 'EGRESS'],
};
const TCP = 6;
const UDP = 17;
const SCTP = 132;

/**
 * Turns flow records into context label tuples, small integers called targets. Families of one plugin whose options are
 * the same share a view. What a flow resolved to is remembered by its flow id.
 */
export class PodView {
  readonly options: PodOptions;
  readonly source: PodSide;
  readonly destination: PodSide;
  private readonly endpoints: EndpointTable;
  private readonly targets = new SeriesTable(5); // direction and reply, source, its port, destination, its port
  private refs = new Uint32Array(8);
  private cache = new Uint32Array(1024 * CELLS);
  /** Part of every cached entry: raising it forgets them all. */
  private generation = 1;
  private readonly maxTargets: number;
  private readonly include: ReadonlySet<string> | undefined;
  private readonly exclude: ReadonlySet<string> | undefined;
  private readonly tuple = [0, 0, 0, 0, 0];
  /** First and last time an endpoint went since the series of the dead were ended; 0 for none. */
  private firstEnd = 0;
  private lastEnd = 0;

  constructor(endpoints: EndpointTable, options: PodOptions, maxTargets: number) {
    this.endpoints = endpoints;
    this.options = options;
    this.source = new PodSide(endpoints, options.source);
    this.destination = new PodSide(endpoints, options.destination);
    this.maxTargets = maxTargets;
    this.include = options.include && new Set(options.include);
    this.exclude = options.exclude && new Set(options.exclude);
  }

  /** The target that a flow record counts for, or {@link NO_SAMPLE} or {@link NO_ROOM}. */
  resolve(batch: FlowBatch, row: number): number {
    if (batch.aside(row)) return NO_SAMPLE;
    const flow = rememberedFlow(batch, row);
    const stamp = ((this.generation << 2) | batch.isReply(row)) >>> 0;
    const at = flow * CELLS;
    if (flow !== 0 && at < this.cache.length && batch.fresh(row) === 0) {
      const { cache } = this;
      if (
        cache[at + 2] === stamp &&
        cache[at] === batch.sourceEndpoint(row) &&
        cache[at + 1] === batch.destinationEndpoint(row)
      ) {
        return cache[at + 3]! - 2;
      }
    }
    const target = this.target(batch, row);
    // Without a flow id there is nothing to remember it by, and a full table may have room again.
    if (flow !== 0 && target !== NO_ROOM) {
      if (at >= this.cache.length) this.growCache(at);
      this.cache[at] = batch.sourceEndpoint(row);
      this.cache[at + 1] = batch.destinationEndpoint(row);
      this.cache[at + 2] = stamp;
      this.cache[at + 3] = target + 2;
    }
    return target;
  }

  retain(target: number): void {
    this.refs[target]!++;
  }

  /** The last family to let go of a target frees it. */
  release(target: number): void {
    if (--this.refs[target]! === 0) this.free(target);
  }

  /** Frees targets no family kept (its cap was reached, or the value was zero). */
  sweep(): void {
    for (let t = 0; t < this.targets.size; t++) if (this.targets.has(t) && this.refs[t] === 0) this.free(t);
  }

  /** What had ended before `time` has been dealt with. */
  endedUntil(time: number): void {
    if (this.firstEnd !== 0 && this.firstEnd <= time) this.firstEnd = this.lastEnd <= time ? 0 : this.lastEnd;
    this.source.prune(time);
    this.destination.prune(time);
  }

  /** An endpoint's labels changed, or it is gone. */
  endpointChanged(change: 'updated' | 'removed', id: number, now: number): void {
    if (this.firstEnd === 0) this.firstEnd = now;
    this.lastEnd = now;
    this.source.detach(id, now, change === 'removed');
    this.destination.detach(id, now, change === 'removed');
    this.forget();
  }

  /** Forgets what flows resolved to; the next record of each is resolved anew. */
  forget(): void {
    this.generation = (this.generation + 1) & 0x3fffffff;
    if (this.generation === 0) {
      this.generation = 1;
      this.cache.fill(0);
    }
  }

  /** Whether any endpoint went before `time`: else there is nothing to look for. */
  anyEndedBefore(time: number): boolean {
    return this.firstEnd !== 0 && this.firstEnd <= time;
  }

  /** Whether an end of a target's flow went before `time`. */
  endedBefore(target: number, time: number): boolean {
    const source = this.source.deadSince(this.targets.key(target, 1));
    if (source !== 0 && source <= time) return true;
    if (this.options.context === 'local') return false;
    const destination = this.destination.deadSince(this.targets.key(target, 3));
    return destination !== 0 && destination <= time;
  }

  /** Text of a context column, direction first and is_reply last where the options ask for them. */
  text(target: number, column: number): string {
    const { targets, options, source, destination } = this;
    let at = column;
    if (options.direction && at-- === 0) return DIRECTIONS[options.context][targets.key(target, 0) >> 2]!;
    if (at < source.width) return source.text(targets.key(target, 1), at, targets.key(target, 2));
    at -= source.width;
    if (at < destination.width) return destination.text(targets.key(target, 3), at, targets.key(target, 4));
    return ['false', 'true', 'unknown'][targets.key(target, 0) & 3]!;
  }

  private target(batch: FlowBatch, row: number): number {
    const direction = countsFor(this.endpoints, batch, row);
    if (direction < 0) return NO_SAMPLE;
    const source = batch.sourceEndpoint(row);
    const destination = batch.destinationEndpoint(row);
    const own = direction === Direction.INGRESS ? destination : source;
    if (!this.ofInterest(own, own === source ? destination : source)) return NO_SAMPLE;

    const { tuple, options } = this;
    tuple[0] = ((options.direction ? direction : 0) << 2) | (options.isReply ? batch.isReply(row) : 0);
    const ports = hasPorts(batch.protocol(row));
    const local = options.context === 'local';
    if (local && direction === Direction.INGRESS) {
      tuple[1] = internDestination(this.source, batch, row);
      tuple[2] = !this.source.hasPort ? 0 : ports ? batch.destinationPort(row) : NO_PORT;
    } else {
      tuple[1] = internSource(this.source, batch, row);
      tuple[2] = !this.source.hasPort ? 0 : ports ? batch.sourcePort(row) : NO_PORT;
    }
    tuple[3] = local ? 0 : internDestination(this.destination, batch, row);
    tuple[4] = !this.destination.hasPort ? 0 : ports ? batch.destinationPort(row) : NO_PORT;
    return this.place();
  }

  /** Row of the tuple; what was interned for it is kept with it or let go. */
  private place(): number {
    const { tuple, targets } = this;
    const known = targets.find(tuple);
    if (known >= 0) return known;
    const local = this.options.context === 'local';
    this.source.retain(tuple[1]!);
    if (!local) this.destination.retain(tuple[3]!);
    if (targets.count >= this.maxTargets) {
      this.source.release(tuple[1]!);
      if (!local) this.destination.release(tuple[3]!);
      return NO_ROOM;
    }
    const target = targets.insert(tuple);
    if (target >= this.refs.length) this.refs = resized(this.refs, targets.capacity);
    this.refs[target] = 0;
    return target;
  }

  private free(target: number): void {
    const source = this.targets.key(target, 1);
    const destination = this.targets.key(target, 3);
    this.targets.remove(target);
    this.source.release(source);
    if (this.options.context === 'remote') this.destination.release(destination);
    this.forget();
  }

  /** In remote context an end that was chosen is enough, in local context it is the one the sample is of. */
  private ofInterest(own: number, other: number): boolean {
    const { chosen, context } = this.options;
    if (chosen && !this.endpoints.observed(own) && (context === 'local' || !this.endpoints.observed(other)))
      return false;
    return (!this.include && !this.exclude) || this.inNamespaces(own, other);
  }

  private inNamespaces(own: number, other: number): boolean {
    const namespace = (id: number) => this.endpoints.byId(id).namespace;
    if (this.include) {
      return (
        this.include.has(namespace(own)) || (this.options.context === 'remote' && this.include.has(namespace(other)))
      );
    }
    if (!this.exclude || !this.exclude.has(namespace(own))) return true;
    return this.options.context === 'remote' && other !== 0 && !this.exclude.has(namespace(other));
  }

  private growCache(at: number): void {
    let length = this.cache.length;
    while (length <= at) length *= 2;
    this.cache = resized(this.cache, length);
  }
}

// Words signed and no closure over them: this runs for every record without a flow id.
function internSource(side: PodSide, batch: FlowBatch, row: number): number {
  return side.intern(
    batch.sourceEndpoint(row),
    batch.sourceWord(row, 0) | 0,
    batch.sourceWord(row, 1) | 0,
    batch.sourceWord(row, 2) | 0,
    batch.sourceWord(row, 3) | 0,
  );
}

function internDestination(side: PodSide, batch: FlowBatch, row: number): number {
  return side.intern(
    batch.destinationEndpoint(row),
    batch.destinationWord(row, 0) | 0,
    batch.destinationWord(row, 1) | 0,
    batch.destinationWord(row, 2) | 0,
    batch.destinationWord(row, 3) | 0,
  );
}

function hasPorts(protocol: number): boolean {
  return protocol === TCP || protocol === UDP || protocol === SCTP;
}
