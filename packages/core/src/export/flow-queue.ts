import { FLOW_STRIDE, FlowBatch, type FlowDetails } from '@retina/sdk';

interface Open {
  readonly slab: Uint8Array;
  length: number;
  bytes: number;
  details: (FlowDetails | undefined)[] | undefined;
}

interface Held {
  readonly slab: Uint8Array;
  /** Estimate of what hangs off its records. */
  readonly bytes: number;
}

/** Empty slabs kept for what comes next. */
const SPARE = 4;

/**
 * Copies of flow records on their way to an exporter: in batches, oldest first, bounded by the bytes it holds, those of batches that are
 * being delivered included.
 */
export class FlowQueue {
  /** Bytes held, and the most there may be. */
  bytes = 0;
  readonly maxBytes: number;
  /** Records that wait; those being delivered are not among them. */
  length = 0;
  private readonly perBatch: number;
  private readonly slabBytes: number;
  private readonly full: FlowBatch[] = [];
  private readonly spare: Uint8Array[] = [];
  private readonly held = new Map<FlowBatch, Held>();
  private open: Open | undefined;

  /** Room for at least one batch is always there. */
  constructor(maxBytes: number, perBatch: number) {
    this.perBatch = perBatch;
    this.slabBytes = perBatch * FLOW_STRIDE;
    this.maxBytes = Math.max(maxBytes, this.slabBytes);
  }

  /** Whether a whole batch waits. */
  get ready(): boolean {
    return this.full.length > 0;
  }

  /** Copies a borrowed batch, or those of its rows that `keep` names; returns how many records found no room. */
  push(batch: FlowBatch, keep?: Uint32Array): number {
    return keep ? this.pushRows(batch, keep) : this.pushAll(batch);
  }

  /** The next batch, a part-filled one too; undefined when empty. It belongs to the caller until `release`. */
  take(): FlowBatch | undefined {
    if (this.full.length === 0) this.seal();
    const batch = this.full.shift();
    if (batch) this.length -= batch.length;
    return batch;
  }

  /** A batch that was taken is done with; `reuse` unless somebody may still read it. */
  release(batch: FlowBatch, reuse: boolean): void {
    const held = this.held.get(batch);
    if (!held) return;
    this.held.delete(batch);
    this.bytes -= held.bytes;
    if (reuse && this.spare.length < SPARE) this.spare.push(held.slab);
    else this.bytes -= this.slabBytes;
  }

  private pushAll(batch: FlowBatch): number {
    let row = 0;
    while (row < batch.length) {
      const open = (this.open ??= this.begin());
      if (!open) return batch.length - row;
      const n = Math.min(batch.length - row, this.perBatch - open.length);
      open.slab.set(batch.buffer.subarray(row * FLOW_STRIDE, (row + n) * FLOW_STRIDE), open.length * FLOW_STRIDE);
      if (batch.detailed) for (let i = 0; i < n; i++) this.addDetails(open, open.length + i, batch.details(row + i));
      row += this.added(open, n);
    }
    return 0;
  }

  private pushRows(batch: FlowBatch, rows: Uint32Array): number {
    for (let i = 0; i < rows.length; i++) {
      const open = (this.open ??= this.begin());
      if (!open) return rows.length - i;
      const at = rows[i]! * FLOW_STRIDE;
      open.slab.set(batch.buffer.subarray(at, at + FLOW_STRIDE), open.length * FLOW_STRIDE);
      if (batch.detailed) this.addDetails(open, open.length, batch.details(rows[i]!));
      this.added(open, 1);
    }
    return 0;
  }

  private added(open: Open, n: number): number {
    open.length += n;
    this.length += n;
    if (open.length === this.perBatch || this.bytes > this.maxBytes) this.seal();
    return n;
  }

  private addDetails(open: Open, row: number, details: FlowDetails | undefined): void {
    if (!details) return;
    (open.details ??= [])[row] = details;
    const bytes = sizeOf(details);
    open.bytes += bytes;
    this.bytes += bytes;
  }

  private begin(): Open | undefined {
    if (this.bytes > this.maxBytes) return undefined; // details came beside the slabs
    const slab = this.spare.pop();
    if (slab) return { slab, length: 0, bytes: 0, details: undefined };
    if (this.bytes + this.slabBytes > this.maxBytes) return undefined;
    this.bytes += this.slabBytes;
    return { slab: new Uint8Array(this.slabBytes), length: 0, bytes: 0, details: undefined };
  }

  private seal(): void {
    const { open } = this;
    this.open = undefined;
    if (!open) return;
    const batch = new FlowBatch(open.slab, open.length, open.details);
    this.held.set(batch, open);
    this.full.push(batch);
  }
}

/** Some rows of a batch, as a batch of their own. */
export function rowsOf(batch: FlowBatch, rows: readonly number[]): FlowBatch {
  const slab = new Uint8Array(rows.length * FLOW_STRIDE);
  rows.forEach((row, i) => {
    slab.set(batch.buffer.subarray(row * FLOW_STRIDE, (row + 1) * FLOW_STRIDE), i * FLOW_STRIDE);
  });
  return new FlowBatch(slab, rows.length, batch.detailed ? rows.map((row) => batch.details(row)) : undefined);
}

/** About what a record's details cost: their texts come from packets and are short, but not free. */
function sizeOf({ dns, policies, packet, reason }: FlowDetails): number {
  let bytes = 64 + (packet?.byteLength ?? 0) + text(reason);
  if (dns) {
    bytes += 200 + text(dns.query);
    for (const one of dns.addresses ?? []) bytes += text(one);
    for (const one of dns.cnames ?? []) bytes += text(one);
  }
  for (const { kind, namespace, name } of policies ?? []) bytes += 64 + text(kind) + text(namespace) + text(name);
  return bytes;
}

function text(value: string | undefined): number {
  return value === undefined ? 0 : 16 + value.length * 2;
}
