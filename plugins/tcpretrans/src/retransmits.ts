import {
  Direction, FlowEvent, FlowWriter, Observation, Reply, Verdict, type BpfHandle, type PluginContext, type RecordBatch,
} from '@retina/sdk'; // prettier-ignore
import { type Config, KINDS, type metrics, SPURIOUS } from './declarations.ts';
import type { retransmitsLayout } from './tcpretrans.gen.ts';

type Context = PluginContext<Config, typeof metrics>;
type Records = RecordBatch<typeof retransmitsLayout>;
type Handle = Pick<BpfHandle, 'counters' | 'missed'>;

const TCP = 6;
const SYN = KINDS.indexOf('syn');
const SYNACK = KINDS.indexOf('synack');
/** Rows that are resolved at a time. */
const ROWS = 1024;

/** Turns the kernel programs' table into counters. */
export class Retransmits {
  private readonly context: Context;
  private readonly handle: Handle;
  /** Label ids. */
  private readonly kinds: readonly number[];
  private readonly sent = new FlowWriter(ROWS);
  private readonly spurious = new FlowWriter(ROWS);
  /** Kinds of the rows in `sent`. */
  private readonly kindOf = new Uint8Array(ROWS);
  /** By kind, as it was last read. */
  private unattributed: Float64Array = new Float64Array(KINDS.length + 1);
  /** By the monotonic clock: the other one may be set. */
  private since = performance.now();

  constructor(context: Context, handle: Handle) {
    this.context = context;
    this.handle = handle;
    this.kinds = KINDS.map((kind) => context.label(kind));
  }

  /** What connections have retransmitted since the last call. */
  take(batch: Records): void {
    const [now, passed] = [Date.now(), performance.now()];
    const since = now - (passed - this.since);
    for (let row = 0; row < batch.length; row++) {
      const kind = batch.col.kind(row);
      if (kind > SPURIOUS) continue; // no kind of this program's: the record is not to be trusted
      const writer = kind === SPURIOUS ? this.spurious : this.sent;
      if (writer.length === ROWS) this.count();
      this.kindOf[this.sent.length] = kind;
      this.total(kind, batch.col.segments(row));
      this.write(writer, batch, row, since, now);
    }
    this.count();
    this.since = passed;
  }

  /** What found no room in the tables, and what the kernel left out. `programs` are those that count. */
  rest(programs: readonly string[]): void {
    const found = this.handle.counters('retrans_unattributed');
    let full = 0;
    for (let kind = 0; kind <= SPURIOUS; kind++) {
      const segments = found[kind] ?? 0;
      // nobody's in particular, but the node's
      this.total(kind, Math.max(0, segments - this.unattributed[kind]!));
      full += segments;
    }
    this.unattributed = found;
    const [notSent = 0, notFollowed = 0] = this.handle.counters('retrans_others');
    const { context } = this;
    const { metrics } = context;
    metrics.tcp_retransmissions_not_sent_total.set(notSent);
    const missed = programs.reduce((sum, program) => sum + this.handle.missed(program), 0);
    for (const [cause, total] of [['table_full', full], ['not_followed', notFollowed], ['nested', missed]] as const) {
      metrics.tcp_retransmissions_unattributed_total.set(total, context.label(cause));
    } // prettier-ignore
  }

  private write(to: FlowWriter, batch: Records, row: number, since: number, now: number): void {
    const { col } = batch;
    const kind = col.kind(row);
    to.add({
      sourceAddress: batch.bytes('local', row),
      destinationAddress: batch.bytes('remote', row),
      firstSeen: since,
      start: since,
      end: now,
      netns: col.netns(row),
      sourcePort: col.local_port(row),
      destinationPort: col.remote_port(row),
      retransmits: col.segments(row),
      protocol: TCP,
      family: isIpv4(batch.bytes('remote', row)) ? 4 : 6,
      direction: Direction.EGRESS,
      observation: Observation.HOST,
      isReply: kind === SYNACK ? Reply.YES : kind === SYN ? Reply.NO : Reply.UNKNOWN,
      verdict: Verdict.UNKNOWN,
      event: FlowEvent.UPDATE,
    });
  }

  private total(kind: number, segments: number): void {
    if (segments === 0) return;
    const { metrics } = this.context;
    if (kind === SPURIOUS) metrics.tcp_spurious_retransmissions_total.add(segments);
    else metrics.tcp_retransmitted_segments_total.add(segments, this.kinds[kind]!);
  }

  /** Counts what is written for its endpoints. */
  private count(): void {
    const { config, flows, metrics } = this.context;
    const sent = this.sent.batch();
    if (config.flowRecords) flows.emit(sent);
    else flows.resolve(sent);
    for (let row = 0; row < sent.length; row++) {
      metrics.adv_tcpretrans_count.add(sent.retransmits(row), sent, row);
      metrics.adv_tcp_retransmitted_segments_total.add(
        sent.retransmits(row),
        sent,
        row,
        this.kinds[this.kindOf[row]!]!,
      );
    }
    this.sent.clear();
    const spurious = this.spurious.batch();
    flows.resolve(spurious);
    for (let row = 0; row < spurious.length; row++) {
      metrics.adv_tcp_spurious_retransmissions_total.add(spurious.retransmits(row), spurious, row);
    }
    this.spurious.clear();
  }
}

/** Whether 16 bytes are an IPv4 address, ::ffff:a.b.c.d. */
function isIpv4(address: Uint8Array): boolean {
  const view = new DataView(address.buffer, address.byteOffset, 16);
  return view.getUint32(0) === 0 && view.getUint32(4) === 0 && view.getUint32(8) === 0xffff;
}
