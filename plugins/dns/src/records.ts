import type { RecordBatch } from '@retina/sdk';
import type { dnsRecordsLayout } from './dns.gen.ts';
import { CHUNK, DATA, Packet, STRIDE } from './packet.ts';

/** A packet's payload: the bytes from `from` to `end`, of `packet.length`. Borrowed. */
export type OnPacket = (packet: Packet, bytes: Uint8Array, from: number, end: number) => void;

/** Packets put together at a time: one per CPU. */
const MOST_AT_A_TIME = 256;

/** A packet that takes several records. */
interface Building {
  readonly packet: Packet;
  bytes: Uint8Array;
  filled: number;
  stale: boolean;
}

/** Makes packets of records: one record is one packet, or as many as it takes, in order from one CPU. */
export class Records {
  private readonly onPacket: OnPacket;
  private readonly single = new Packet();
  private readonly building = new Map<number, Building>();
  private readonly spare: Building[] = [];
  private readonly views = new WeakMap<Uint8Array, DataView>();

  constructor(onPacket: OnPacket) {
    this.onPacket = onPacket;
  }

  read(batch: RecordBatch<typeof dnsRecordsLayout>): void {
    const { buffer, length } = batch;
    const view = this.viewOf(buffer);
    const { single } = this;
    for (let row = 0; row < length; row++) {
      const start = row * STRIDE;
      single.read(view, start);
      const data = start + DATA;
      const open = this.building.size > 0 ? this.building.get(single.cpu) : undefined;
      if (open && (open.packet.at !== single.at || open.filled !== single.offset)) this.close(single.cpu, open);
      if (single.offset === 0 && single.length <= CHUNK) {
        this.onPacket(single, buffer, data, data + single.length);
      } else this.build(view, start);
    }
  }

  /** Hands over packets whose last records are not going to come. To be called about once a second. */
  sweep(): void {
    for (const [cpu, open] of this.building) {
      if (open.stale) this.close(cpu, open);
      open.stale = true;
    }
  }

  private build(view: DataView, start: number): void {
    const { single } = this;
    let open = this.building.get(single.cpu);
    if (!open) {
      if (single.offset > 0 || this.building.size >= MOST_AT_A_TIME) return; // its beginning was handed over, or never was there
      open = this.spare.pop() ?? { packet: new Packet(), bytes: new Uint8Array(0), filled: 0, stale: false };
      open.packet.read(view, start);
      if (open.bytes.length < open.packet.length) open.bytes = new Uint8Array(open.packet.length);
      open.filled = 0;
      open.stale = false;
      this.building.set(single.cpu, open);
    }
    const n = Math.min(CHUNK, open.packet.length - open.filled);
    const source = new Uint8Array(view.buffer, view.byteOffset + start + DATA, Math.max(n, 0));
    open.bytes.set(source, open.filled);
    open.filled += n;
    if (open.filled >= open.packet.length) this.close(single.cpu, open);
  }

  private close(cpu: number, open: Building): void {
    this.building.delete(cpu);
    this.onPacket(open.packet, open.bytes, 0, open.filled);
    if (this.spare.length < 4) this.spare.push(open);
  }

  /** The loader lends the same few slabs again and again. */
  private viewOf(buffer: Uint8Array): DataView {
    let view = this.views.get(buffer);
    if (!view) this.views.set(buffer, (view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength)));
    return view;
  }
}
