import {
  FlowEvent, FlowWriter, Observation, Reply, Verdict,
  type BpfHandle, type FlowDetails, type FlowValues, type PluginContext, type RecordBatch,
} from '@retina/sdk'; // prettier-ignore
import type { dropFlowsLayout, dropSamplesLayout, dropTotalsLayout } from './dropreason.gen.ts';
import type { Config, metrics } from './declarations.ts';
import type { Kind, Kinds } from './kinds.ts';
import { directionOf } from './loss.ts';
import { chainName } from './netfilter/chain.ts';
import { CONNECT_FAILED } from './reasons.ts';

type Context = PluginContext<Config, typeof metrics>;
type Rows = RecordBatch<typeof dropFlowsLayout>['col'];

const DIRECTIONS = ['unknown', 'ingress', 'egress'] as const;
const ICMP = 1;
const ICMPV6 = 58;

/** Turns the kernel programs' tables into counters and flow records. */
export class Drops {
  private readonly context: Context;
  private readonly handle: Pick<BpfHandle, 'counters' | 'lookup'>;
  private readonly kinds: Kinds;
  private readonly directions: readonly number[];
  private readonly writer = new FlowWriter(1024);
  private readonly nowhere: number;
  private unparsed = [0, 0];
  /** By the monotonic clock: the other one may be set. */
  private since = performance.now();
  private records = 0;
  /** Packets in the totals, in samples, and in neither as the metric last had it. */
  private counted = 0;
  private sampled = 0;
  private unsampled = 0;

  constructor(context: Context, handle: Pick<BpfHandle, 'counters' | 'lookup'>, kinds: Kinds) {
    this.context = context;
    this.handle = handle;
    this.kinds = kinds;
    this.nowhere = context.label('unknown');
    this.directions = DIRECTIONS.map((name) => context.label(name));
  }

  /** Node totals: every drop, whether or not its flow found room. */
  totals(batch: RecordBatch<typeof dropTotalsLayout>): void {
    const { col } = batch;
    const { drop_count, drop_bytes, drop_location_packets_total } = this.context.metrics;
    for (let row = 0; row < batch.length; row++) {
      const kind = this.kinds.of(col.reason(row), col.location(row), col.marks(row));
      if (!kind.counts) continue;
      const direction = this.directions[directionOf(kind.kernelName, col.direction(row))]!;
      const packets = col.packets(row);
      if (col.reason(row) !== CONNECT_FAILED) {
        this.counted += packets;
        drop_location_packets_total.add(packets, kind.place || this.nowhere, kind.reason);
      }
      drop_count.add(packets, kind.reason, direction);
      drop_bytes.add(col.bytes(row), kind.reason, direction);
    }
  }

  /** Flow records, and by them pod-level counters. */
  flows(batch: RecordBatch<typeof dropFlowsLayout>): void {
    const { col } = batch;
    const [now, passed] = [Date.now(), performance.now()];
    const since = now - (passed - this.since);
    this.records += batch.length;
    for (let row = 0; row < batch.length; row++) {
      const kind = this.kinds.of(col.reason(row), col.location(row), col.marks(row));
      if (!kind.counts) continue;
      const family = col.family(row);
      if (family === 0) {
        this.unparsed[0]! += col.packets(row);
        this.unparsed[1]! += col.bytes(row);
        continue;
      }
      this.add({
        ...common(col, row, kind),
        sourceAddress: batch.bytes('saddr', row),
        destinationAddress: batch.bytes('daddr', row),
        firstSeen: since,
        start: since,
        end: now,
        packets: col.packets(row),
        bytes: col.bytes(row),
      }, this.policies(col.chain(row))); // prettier-ignore
    }
    this.emit();
    this.since = passed;
  }

  /** Headers of a few of the packets, as flow records that count nothing: their packets are in others. */
  samples(batch: RecordBatch<typeof dropSamplesLayout>): void {
    const { col } = batch;
    const { drop_samples_total: outcomes } = this.context.metrics;
    const flow = flowColumns(col);
    const now = Date.now();
    let shown = 0;
    for (let row = 0; row < batch.length; row++) {
      const kind = this.kinds.of(flow.reason(row), flow.location(row), flow.marks(row));
      const length = Math.min(col.length(row), batch.layout.fields.packet.size);
      if (!kind.counts || flow.family(row) === 0) continue;
      shown++;
      this.sampled += col.value_packets(row);
      const values = {
        ...common(flow, row, kind),
        sourceAddress: batch.bytes('flow_saddr', row),
        destinationAddress: batch.bytes('flow_daddr', row),
        firstSeen: now,
        start: now,
        end: now,
      };
      this.add(values, { ...this.policies(flow.chain(row)), packet: batch.bytes('packet', row).slice(0, length) });
    }
    this.emit();
    if (shown > 0) outcomes.add(shown, this.context.label('shown'));
    if (shown < batch.length) outcomes.add(batch.length - shown, this.context.label('no_loss'));
    if (batch.lost > 0) outcomes.add(batch.lost, this.context.label('lost'));
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
    // samples come before the totals they are part of, and a counter never falls
    const { unsampled } = this;
    this.unsampled = Math.max(unsampled, this.counted - this.sampled);
    if (this.unsampled > unsampled) metrics.drop_unsampled_packets_total.add(this.unsampled - unsampled);
  }

  /** How many records of flows there were since the last call. */
  takeRecords(): number {
    const { records } = this;
    this.records = 0;
    return records;
  }

  private add(values: FlowValues, details?: FlowDetails): void {
    if (this.writer.length === this.writer.capacity) this.emit();
    this.writer.add(values, details);
  }

  private emit(): void {
    if (this.writer.length === 0) return;
    const batch = this.writer.batch();
    this.context.flows.emit(batch);
    const { adv_drop_count, adv_drop_bytes } = this.context.metrics;
    for (let row = 0; row < batch.length; row++) {
      if (batch.packets(row) === 0 || batch.aside(row)) continue; // a sample, or of nobody who was chosen
      adv_drop_count.add(batch.packets(row), batch, row, batch.dropReason(row));
      adv_drop_bytes.add(batch.bytes(row), batch, row, batch.dropReason(row));
    }
    this.writer.clear();
  }

  /** The chain that dropped, where it was watched. */
  private policies(chain: number): FlowDetails | undefined {
    if (chain === 0) return undefined;
    const policy = chainName(this.handle.lookup('drop_chains', new Uint8Array(Uint32Array.of(chain).buffer)));
    return policy && { policies: [policy] };
  }
}

/** The columns of a sample that are those of a flow. */
function flowColumns(col: RecordBatch<typeof dropSamplesLayout>['col']): Rows {
  const columns = Object.entries(col).filter(([name]) => name.startsWith('flow_'));
  return Object.fromEntries(columns.map(([name, read]) => [name.slice('flow_'.length), read])) as unknown as Rows;
}

/** What a record of dropped packets and a sample have in common. */
function common(col: Rows, row: number, kind: Kind): FlowValues {
  const protocol = col.protocol(row);
  const icmp = protocol === ICMP || protocol === ICMPV6;
  return {
    ifindex: col.ifindex(row),
    netns: col.netns(row),
    sourcePort: icmp ? 0 : col.sport(row),
    destinationPort: icmp ? 0 : col.dport(row),
    icmpType: icmp ? col.sport(row) : 0,
    icmpCode: icmp ? col.dport(row) : 0,
    protocol,
    family: col.family(row),
    direction: directionOf(kind.kernelName, col.direction(row)),
    observation: Observation.HOST,
    isReply: Reply.UNKNOWN,
    verdict: Verdict.DROPPED,
    event: FlowEvent.UPDATE,
    dropReason: kind.reason,
    dropLocation: kind.place,
  };
}
