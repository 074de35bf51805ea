import {
  Direction, FlowEvent, FlowWriter, Observation, Reply, Verdict,
  type BpfHandle, type FlowBatch, type RecordBatch,
} from '@retina/sdk'; // prettier-ignore
import { BUCKETS, type Context, What, WHATS } from './declarations.ts';
import { errorName } from './errors.ts';
import { NodeTotals } from './node-totals.ts';
import type {
  healthEventsLayout,
  healthFlowsLayout,
  healthFoldedLayout,
  healthMeasuresLayout,
} from './tcphealth.gen.ts';

type Handle = Pick<BpfHandle, 'counters' | 'missed'>;
type Measures = RecordBatch<typeof healthMeasuresLayout> | RecordBatch<typeof healthFoldedLayout>;
type Events = RecordBatch<typeof healthEventsLayout>;

const TCP = 6;
/** Rows that are resolved at a time. */
const ROWS = 1024;
const MICROS = 1e6;

/** Turns the kernel programs' tables into histograms, counters and annotations. */
export class Health {
  private readonly context: Context;
  private readonly handle: Handle;
  private readonly node: NodeTotals;
  private readonly writer = new FlowWriter(ROWS);
  /** Which row of the batch each row in `writer` is of. */
  private readonly rows = new Uint32Array(ROWS);
  private readonly counts = BUCKETS.map((buckets) => new Float64Array(buckets));
  private unattributed: Float64Array = new Float64Array(WHATS);
  private withoutRemote = 0;

  constructor(context: Context, handle: Handle) {
    this.context = context;
    this.handle = handle;
    this.node = new NodeTotals(context);
  }

  /** Times since the last call, by both ends. */
  measures(batch: Measures): void {
    this.each(batch, What.DURATION, (row, flows, flow) => this.measure(batch, row, flows, flow));
    this.node.publish();
  }

  /** Events since the last call, by both ends. */
  events(batch: Events): void {
    this.each(batch, What.RESET_LOCAL, (row, flows, flow) => {
      this.event(batch.col.what(row), batch.col.error(row), batch.col.events(row), flows, flow);
    });
  }

  /** Of both what found no room by both ends, by the local end alone. */
  folded(batch: Measures): void {
    const { col } = batch;
    this.each(batch, What.RESET_LOCAL, (row, flows, flow) => {
      this.withoutRemote += col.events(row);
      if (col.what(row) <= What.DURATION) this.measure(batch, row, flows, flow);
      else this.event(col.what(row), col.error(row), col.events(row), flows, flow);
    });
    this.unattributedBy('remote_end', this.withoutRemote);
    this.node.publish();
  }

  /** What is known of connections, for the flow records other plugins write. */
  annotate(batch: RecordBatch<typeof healthFlowsLayout>): void {
    const { col } = batch;
    for (let row = 0; row < batch.length; row++) {
      this.context.flows.annotate({
        source: batch.bytes('local', row),
        destination: batch.bytes('remote', row),
        sourcePort: col.local_port(row),
        destinationPort: col.remote_port(row),
        protocol: TCP,
        rttMicros: col.rtt(row),
        minRttMicros: col.min_rtt(row),
        setupMicros: col.setup(row),
      });
    }
  }

  /** What found no room at all, and what the kernel left out. `programs` are those that count. */
  rest(programs: readonly string[]): void {
    const found = this.handle.counters('health_unattributed');
    let full = 0;
    for (let what = 0; what < WHATS; what++) {
      const events = found[what] ?? 0;
      full += events;
      // who it was is not known, nor how long it took: what the node has made and lost still is
      const more = Math.max(0, events - this.unattributed[what]!);
      if (more > 0) this.nodeEvent(what, 0, more);
    }
    this.unattributed = found;
    const [forgotten = 0] = this.handle.counters('health_forgotten');
    const nested = programs.reduce((sum, program) => sum + this.handle.missed(program), 0);
    this.unattributedBy('table_full', full);
    this.unattributedBy('remote_end', this.withoutRemote);
    this.unattributedBy('connection_not_followed', forgotten);
    this.unattributedBy('nested', nested);
  }

  private unattributedBy(cause: string, total: number): void {
    const { context } = this;
    context.metrics.tcp_health_unattributed_total.set(total, context.label(cause));
  }

  /** Resolves every row whose `what` is at most `last`, and hands it on with its place in the resolved batch. */
  private each(
    batch: Measures | Events,
    last: number,
    count: (row: number, flows: FlowBatch, flow: number) => void,
  ): void {
    const { writer, rows } = this;
    const flush = () => {
      if (writer.length === 0) return;
      const flows = writer.batch();
      this.context.flows.resolve(flows);
      for (let flow = 0; flow < flows.length; flow++) count(rows[flow]!, flows, flow);
      writer.clear();
    };
    for (let row = 0; row < batch.length; row++) {
      if (batch.col.what(row) > last) continue; // nothing this program counts: the record is not to be trusted
      if (writer.length === ROWS) flush();
      rows[writer.length] = row;
      this.write(batch, row);
    }
    flush();
  }

  /** From the end that opened the connection to the one that accepted it. */
  private write(batch: Measures | Events, row: number): void {
    const { col } = batch;
    const [local, remote] = [batch.bytes('local', row), batch.bytes('remote', row)];
    const accepted = col.role(row) !== 0;
    this.writer.add({
      sourceAddress: accepted ? remote : local,
      destinationAddress: accepted ? local : remote,
      destinationPort: col.port(row),
      netns: col.netns(row),
      protocol: TCP,
      family: isIpv4(local) ? 4 : 6,
      direction: accepted ? Direction.INGRESS : Direction.EGRESS,
      observation: Observation.HOST,
      isReply: Reply.NO,
      verdict: Verdict.UNKNOWN,
      event: FlowEvent.UPDATE,
    });
  }

  private measure(batch: Measures, row: number, flows: FlowBatch, flow: number): void {
    const { col } = batch;
    const { metrics } = this.context;
    const what = col.what(row);
    const accepted = col.role(row) === 0 ? 0 : 1;
    this.node.events(what, accepted, col.events(row));
    if (what === What.SETUP) {
      const made = accepted ? metrics.adv_tcp_connections_accepted_total : metrics.adv_tcp_connections_opened_total;
      made.add(col.events(row), flows, flow);
    }
    if (col.measured(row) === 0) return;
    const counts = this.counts[what]!;
    const bytes = batch.bytes('buckets_count', row);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let b = 0; b < counts.length; b++) counts[b] = view.getUint32(4 * b, true);
    const micros = col.micros(row);
    this.node.measure(what, accepted, counts, micros);
    const family = [
      metrics.adv_tcp_rtt_seconds,
      metrics.adv_tcp_min_rtt_seconds,
      metrics.adv_tcp_connection_setup_seconds,
      metrics.adv_tcp_connection_duration_seconds,
    ][what]!;
    family.add(counts, micros / MICROS, flows, flow);
  }

  private event(what: number, error: number, events: number, flows: FlowBatch, flow: number): void {
    const { context } = this;
    const { metrics } = context;
    this.nodeEvent(what, error, events);
    if (what === What.FAILED) metrics.adv_tcp_connections_failed_total.add(events, flows, flow, context.label(errorName(error)));
    else if (what === What.RESET_LOCAL) metrics.adv_tcp_connections_reset_total.add(events, flows, flow, context.label('local'));
    else if (what === What.RESET_REMOTE) metrics.adv_tcp_connections_reset_total.add(events, flows, flow, context.label('remote'));
  } // prettier-ignore

  /** The node's families: of everything, whether or not an endpoint is known. */
  private nodeEvent(what: number, error: number, events: number): void {
    const { context } = this;
    const { metrics } = context;
    if (what === What.FAILED) metrics.tcp_connections_failed_total.add(events, context.label(errorName(error)));
    else if (what === What.CANCELLED) metrics.tcp_connections_cancelled_total.add(events);
    else if (what === What.RESET_LOCAL) metrics.tcp_connections_reset_total.add(events, context.label('local'));
    else if (what === What.RESET_REMOTE) metrics.tcp_connections_reset_total.add(events, context.label('remote'));
  }
}

/** Whether 16 bytes are an IPv4 address, ::ffff:a.b.c.d. */
function isIpv4(address: Uint8Array): boolean {
  const view = new DataView(address.buffer, address.byteOffset, 16);
  return view.getUint32(0) === 0 && view.getUint32(4) === 0 && view.getUint32(8) === 0xffff;
}
