import { type FlowBatch, Reply } from '@retina/sdk';
import { resized, SeriesTable } from '../metrics/series-table.ts';
import { rememberedFlow } from './flow-id.ts';

const MAX_ENTRIES = 131_072;
/** An entry is looked at when a flow begins and when identity changes; between these it only has to be there. */
const FORGET_MS = 900_000;
const SWEEP_MS = 60_000;
/** In place of a pod: its packets leave with its own address, so the host's are the host's. */
const ROUTED = 0xffffffff;

/**
 * Which flows at the uplinks are a pod's, although they carry the host's address: what a pod sends to the world passes
 * its own interface and then, translated (masquerade, a published port), the uplink. Both show the same remote address
 * and port; the port on this side is the same where the host's translation keeps it, as it does while the port is free,
 * and does not matter where the remote end began the connection, since its own port tells it apart.
 */
export class Translations {
  private readonly now: () => number;
  private readonly table = new SeriesTable(6); // remote address, remote and local port, protocol
  private pods = new Uint32Array(8);
  /** The uplink's flow that asked last: to be told when the answer changes. */
  private askers = new Uint32Array(8);
  private seen = new Float64Array(8);
  private nextSweep = 0;
  private readonly tuple = [0, 0, 0, 0, 0, 0];

  constructor(now: () => number) {
    this.now = now;
  }

  /** A pod's own interface shows a record to or from the world. Gives the uplink's flow that must ask again, or 0. */
  pod(batch: FlowBatch, row: number, out: boolean, pod: number): number {
    return this.enter(batch, row, out, pod);
  }

  /** An uplink shows a record with a pod's own address: it is not translated. Gives the uplink's flow that must ask again, or 0. */
  routed(batch: FlowBatch, row: number, out: boolean): number {
    return this.enter(batch, row, out, ROUTED);
  }

  /** An uplink shows a record of the host's address. Gives the pod it belongs to, or 0. */
  behindHost(batch: FlowBatch, row: number, out: boolean): number {
    const exact = this.ask(batch, row, out, false);
    const found = exact !== 0 || this.began(batch, row, out) ? exact : this.ask(batch, row, out, true);
    return found === ROUTED ? 0 : found;
  }

  /** Whether this side began the connection, or nobody knows who did. */
  private began(batch: FlowBatch, row: number, out: boolean): boolean {
    const reply = batch.isReply(row);
    return reply === Reply.UNKNOWN || (reply === Reply.YES) !== out;
  }

  private enter(batch: FlowBatch, row: number, out: boolean, pod: number): number {
    const asker = this.put(batch, row, out, pod, false);
    return this.began(batch, row, out) ? asker : this.put(batch, row, out, pod, true) || asker;
  }

  private put(batch: FlowBatch, row: number, out: boolean, pod: number, anyPort: boolean): number {
    const entry = this.entry(batch, row, out, anyPort);
    if (entry < 0 || this.pods[entry] === pod || this.pods[entry] === ROUTED) return 0;
    this.pods[entry] = pod;
    return this.askers[entry]!;
  }

  private ask(batch: FlowBatch, row: number, out: boolean, anyPort: boolean): number {
    const entry = this.entry(batch, row, out, anyPort);
    if (entry < 0) return 0;
    this.askers[entry] = rememberedFlow(batch, row);
    return this.pods[entry]!;
  }

  private entry(batch: FlowBatch, row: number, out: boolean, anyPort: boolean): number {
    const { tuple, table } = this;
    for (let i = 0; i < 4; i++) tuple[i] = (out ? batch.destinationWord(row, i) : batch.sourceWord(row, i)) | 0;
    const remote = out ? batch.destinationPort(row) : batch.sourcePort(row);
    const local = out ? batch.sourcePort(row) : batch.destinationPort(row);
    tuple[4] = (remote << 16) | (anyPort ? 0 : local);
    tuple[5] = batch.protocol(row);
    const now = this.now();
    let entry = table.find(tuple);
    if (entry < 0) {
      if (now >= this.nextSweep) this.sweep(now);
      if (table.count >= MAX_ENTRIES) return -1;
      entry = table.insert(tuple);
      if (entry >= this.pods.length) {
        this.pods = resized(this.pods, table.capacity);
        this.askers = resized(this.askers, table.capacity);
        this.seen = resized(this.seen, table.capacity);
      }
      this.pods[entry] = this.askers[entry] = 0;
    }
    this.seen[entry] = now;
    return entry;
  }

  private sweep(now: number): void {
    this.nextSweep = now + SWEEP_MS;
    for (let entry = 0; entry < this.table.size; entry++) {
      if (this.table.has(entry) && this.seen[entry]! + FORGET_MS <= now) this.table.remove(entry);
    }
  }
}
