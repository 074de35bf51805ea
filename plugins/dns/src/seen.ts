import type { RecordBatch } from '@retina/sdk';
import type { dnsRecordsLayout } from './dns.gen.ts';
import type { Labels } from './labels.ts';
import type { Context, Messages } from './messages.ts';
import { type Packet, TCP } from './packet.ts';
import { Records } from './records.ts';
import { DROPS, Streams } from './streams.ts';

/** Numbers of struct dns_seen. */
const NUMBERS = 5;
const PROTOCOLS = ['udp', 'tcp'] as const;

/** Takes packets apart into messages, and says what was lost on the way. */
export class Seen {
  private readonly context: Context;
  private readonly messages: Messages;
  private readonly labels: Labels;
  private readonly records: Records;
  private readonly streams: Streams;
  private now = 0;
  /** Datagrams joined by GRO whose bytes were not copied. */
  private notCopied = 0;

  constructor(context: Context, messages: Messages, labels: Labels) {
    this.context = context;
    this.messages = messages;
    this.labels = labels;
    const ports = new Set(context.config.ports);
    this.streams = new Streams(
      context.config.streams,
      (port) => ports.has(port),
      (packet, bytes, from, end, whole) => messages.take(packet, bytes, from, end, whole),
    );
    this.records = new Records((packet, bytes, from, end) => this.take(packet, bytes, from, end));
  }

  read(batch: RecordBatch<typeof dnsRecordsLayout>): void {
    this.now = Date.now();
    this.records.read(batch);
  }

  /** Gives up on what will not come any more, and shows the counts. `kernel` is dns_seen's. */
  sweep(now: number, kernel: Float64Array): void {
    this.messages.begin(now);
    this.records.sweep();
    this.streams.sweep(Date.now());
    this.messages.end();
    this.show(kernel);
  }

  private take(packet: Packet, bytes: Uint8Array, from: number, end: number): void {
    if (packet.protocol === TCP) {
      this.streams.segment(packet, bytes, from, end, this.now);
      return;
    }
    const { segment, length } = packet;
    if (segment === 0) {
      this.messages.take(packet, bytes, from, end, !packet.fragment && length === end - from);
      return;
    }
    for (let at = 0; at < length; at += segment) {
      const size = Math.min(segment, length - at);
      if (from + at < end)
        this.messages.take(packet, bytes, from + at, Math.min(from + at + size, end), from + at + size <= end); // prettier-ignore
      else this.notCopied++;
    }
  }

  private show(kernel: Float64Array): void {
    const { context, streams, labels } = this;
    const { metrics } = context;
    PROTOCOLS.forEach((name, i) => {
      const protocol = context.label(name);
      const [packets, fragments, lost, limited, cut] = kernel.subarray(
        i * NUMBERS,
        (i + 1) * NUMBERS,
      ) as unknown as number[];
      metrics.dns_tap_packets_total.set(packets ?? 0, protocol);
      metrics.dns_missed_packets_total.set(fragments ?? 0, protocol, context.label('later_fragment'));
      metrics.dns_missed_packets_total.set(lost ?? 0, protocol, context.label('ring_full'));
      metrics.dns_missed_packets_total.set(limited ?? 0, protocol, context.label('rate_limit'));
      metrics.dns_cut_packets_total.set(cut ?? 0, protocol);
    });
    metrics.dns_missed_packets_total.set(this.notCopied, context.label('udp'), context.label('not_copied'));
    for (const drop of DROPS) metrics.dns_stream_dropped_bytes_total.set(streams.dropped[drop], context.label(drop));
    metrics.dns_streams.set(streams.size);
    metrics.dns_stream_buffer_bytes.set(streams.held);
    metrics.dns_pending_queries.set(this.messages.pending.size);
    const overflow = metrics.dns_label_overflow_total;
    overflow.set(labels.queries.labels.overflowed, context.label('query'));
    overflow.set(labels.responses.labels.overflowed, context.label('response'));
  }
}
