import {
  FlowEvent, FlowWriter, Observation, Reply, Verdict,
  type BpfHandle, type KernelFeatures, type PluginContext, type RecordBatch,
} from '@retina/sdk'; // prettier-ignore
import type { dropFlowsLayout, dropTotalsLayout } from './dropreason.gen.ts';
import type { Config, metrics } from './declarations.ts';
import { directionOf, isLoss } from './loss.ts';
import { labelOf, type Reasons } from './reasons.ts';

type Context = PluginContext<Config, typeof metrics>;
/** What is known of drops for one reason at one place. */
interface Kind {
  readonly counts: boolean;
  readonly kernelName: string;
  /** Label ids; `place` is 0 where the kernel code has no name. */
  readonly reason: number;
  readonly place: number;
}

const DIRECTIONS = ['unknown', 'ingress', 'egress'] as const;
const ICMP = 1;
const ICMPV6 = 58;
/** The upper 16 bits of every address of kernel code, which records leave out. */
const KERNEL_HALF = 0xffff_0000_0000_0000n;

/** Turns the kernel programs' tables into counters and flow records. */
export class Drops {
  private readonly context: Context;
  private readonly handle: Pick<BpfHandle, 'lookup' | 'counters'>;
  private readonly kernel: Pick<KernelFeatures, 'symbol'>;
  private readonly reasons: Reasons;
  private readonly kinds = new Map<number, Map<number, Kind>>();
  private readonly directions: readonly number[];
  private readonly writer = new FlowWriter(1024);
  private unparsed = [0, 0];
  private since = Date.now();
  private records = 0;

  constructor(context: Context, handle: Pick<BpfHandle, 'lookup' | 'counters'>, reasons: Reasons) {
    this.context = context;
    this.handle = handle;
    this.kernel = context.kernel;
    this.reasons = reasons;
    this.directions = DIRECTIONS.map((name) => context.label(name));
  }

  /** Node totals: every drop, whether or not its flow found room. */
  totals(batch: RecordBatch<typeof dropTotalsLayout>): void {
    const { col } = batch;
    const { drop_count, drop_bytes } = this.context.metrics;
    for (let row = 0; row < batch.length; row++) {
      const kind = this.kind(col.reason(row), col.location(row), col.marks(row));
      if (!kind.counts) continue;
      const direction = this.directions[directionOf(kind.kernelName, col.direction(row))]!;
      drop_count.add(col.packets(row), kind.reason, direction);
      drop_bytes.add(col.bytes(row), kind.reason, direction);
    }
  }

  /** Flow records, and by them pod-level counters. */
  flows(batch: RecordBatch<typeof dropFlowsLayout>): void {
    const { col } = batch;
    const now = Date.now();
    this.records += batch.length;
    for (let row = 0; row < batch.length; row++) {
      const kind = this.kind(col.reason(row), col.location(row), col.marks(row));
      if (!kind.counts) continue;
      const family = col.family(row);
      if (family === 0) {
        this.unparsed[0]! += col.packets(row);
        this.unparsed[1]! += col.bytes(row);
        continue;
      }
      if (this.writer.length === this.writer.capacity) this.emit();
      const protocol = col.protocol(row);
      const icmp = protocol === ICMP || protocol === ICMPV6;
      this.writer.add({
        sourceAddress: batch.bytes('saddr', row),
        destinationAddress: batch.bytes('daddr', row),
        firstSeen: this.since,
        start: this.since,
        end: now,
        packets: col.packets(row),
        bytes: col.bytes(row),
        ifindex: col.ifindex(row),
        netns: col.netns(row),
        sourcePort: icmp ? 0 : col.sport(row),
        destinationPort: icmp ? 0 : col.dport(row),
        icmpType: icmp ? col.sport(row) : 0,
        icmpCode: icmp ? col.dport(row) : 0,
        protocol,
        family,
        direction: directionOf(kind.kernelName, col.direction(row)),
        observation: Observation.HOST,
        isReply: Reply.UNKNOWN,
        verdict: Verdict.DROPPED,
        event: FlowEvent.UPDATE,
        dropReason: kind.reason,
        dropLocation: kind.place,
      });
    }
    this.emit();
    this.since = now;
  }

  /** Drops that are in the totals but in no flow record, and runs the kernel left out. */
  unattributed(missed: number): void {
    const { metrics } = this.context;
    const [flowPackets = 0, flowBytes = 0, totalPackets = 0, totalBytes = 0] =
      this.handle.counters('drop_unattributed');
    const set = (cause: string, packets: number, bytes: number) => {
      const label = this.context.label(cause);
      metrics.drop_unattributed_packets_total.set(packets, label);
      metrics.drop_unattributed_bytes_total.set(bytes, label);
    };
    set('flow_table_full', flowPackets, flowBytes);
    set('not_ip', this.unparsed[0]!, this.unparsed[1]!);
    set('total_table_full', totalPackets, totalBytes);
    set('nested', missed, 0);
  }

  /** How many records of flows there were since the last call. */
  takeRecords(): number {
    const { records } = this;
    this.records = 0;
    return records;
  }

  private emit(): void {
    if (this.writer.length === 0) return;
    const batch = this.writer.batch();
    this.context.flows.emit(batch);
    const { adv_drop_count, adv_drop_bytes } = this.context.metrics;
    for (let row = 0; row < batch.length; row++) {
      adv_drop_count.add(batch.packets(row), batch, row, batch.dropReason(row));
      adv_drop_bytes.add(batch.bytes(row), batch, row, batch.dropReason(row));
    }
    this.writer.clear();
  }

  private kind(reason: number, location: number, marks: number): Kind {
    let places = this.kinds.get(location);
    if (!places) this.kinds.set(location, (places = new Map<number, Kind>()));
    const key = reason * 4 + (marks & 3);
    let kind = places.get(key);
    if (!kind) places.set(key, (kind = this.judge(reason, location, marks)));
    return kind;
  }

  private judge(reason: number, location: number, marks: number): Kind {
    const place = location === 0 ? '' : this.symbol(location);
    const kernelName = this.reasons.kernelName(reason, place);
    return {
      counts: this.context.config.countNoLoss || isLoss(kernelName, place, marks),
      kernelName,
      reason: this.context.label(labelOf(kernelName)),
      place: place ? this.context.label(place) : 0,
    };
  }

  /** The name the program found out, or else the host's. */
  private symbol(location: number): string {
    const key = new Uint8Array(8);
    new DataView(key.buffer).setBigUint64(0, BigInt(location), true);
    const found = this.handle.lookup('drop_symbols', key);
    if (!found) return this.kernel.symbol(BigInt(location) | KERNEL_HALF) ?? '';
    const end = found.indexOf(0);
    // a module's function is followed by " [module]"
    return new TextDecoder().decode(found.subarray(0, end < 0 ? found.length : end)).split(' ')[0]!;
  }
}
