import type { FlowBatch, PluginContext } from '@retina/sdk';
import { decode, FLAWS, Message, readable } from './decode.ts';
import type { Config, metrics } from './declarations.ts';
import { Arena } from './details.ts';
import { hashBytes, mix, SEED } from './hash.ts';
import { Hints } from './hints.ts';
import type { Labels } from './labels.ts';
import { Packet, TCP } from './packet.ts';
import { Pending } from './pending.ts';
import { Rows } from './rows.ts';
import { Sightings } from './sightings.ts';

export type Context = PluginContext<Config, typeof metrics>;

/** What is known of a tap beside its packets. */
export interface TapFacts {
  readonly netns: number;
  readonly extra: boolean;
}

const MDNS = 5353;
const NOERROR = 0;
/** Times further off than this were not made by this kernel's clock. */
const PLAUSIBLE_MS = 60_000;

/** What becomes of a DNS message at a tap: node totals, latency, flow records, pod-level metrics, names of addresses. */
export class Messages {
  readonly pending: Pending;
  private readonly context: Context;
  private readonly taps: ReadonlyMap<number, TapFacts>;
  private readonly labels: Labels;
  private readonly message = new Message();
  private readonly sightings = new Sightings();
  private readonly hints: Hints | undefined;
  private readonly arena = new Arena();
  private readonly rows = new Rows((batch) => this.emit(batch));
  private readonly lateRows = new Rows((batch) => this.countLate(batch));
  private readonly latePacket = new Packet();
  private readonly outcomes: Readonly<Record<'udp' | 'tcp', { protocol: number } & Record<Outcome, number>>>;
  private readonly multicast: number;
  private readonly full: number;
  private readonly outOfTable = (): void => this.context.metrics.dns_untracked_queries_total.add(1, this.full);
  private now = 0;
  /** To be added to the kernel's clock to get the time of day. */
  private clockOffset = 0;

  constructor(context: Context, taps: ReadonlyMap<number, TapFacts>, labels: Labels) {
    this.context = context;
    this.taps = taps;
    this.labels = labels;
    this.pending = new Pending(context.config.maxPending);
    this.hints = context.config.learnNames ? new Hints(context.names) : undefined;
    const outcomes = { counted: context.label('counted'), duplicate: context.label('duplicate'), malformed: context.label('malformed') }; // prettier-ignore
    this.outcomes = {
      udp: { protocol: context.label('udp'), ...outcomes },
      tcp: { protocol: context.label('tcp'), ...outcomes },
    };
    this.multicast = context.label('multicast');
    this.full = context.label('table_full');
  }

  /** To be called before the messages of a batch, and {@link end} behind them. `now` is the process's monotonic clock in ms. */
  begin(now: number): void {
    this.now = now;
    this.clockOffset = Date.now() - now;
  }

  end(): void {
    this.rows.end();
  }

  /** One message, as it passed a tap. `whole` is false where bytes are missing at its end. */
  take(packet: Packet, bytes: Uint8Array, from: number, end: number, whole: boolean): void {
    const { message, context } = this;
    const { metrics } = context;
    const flaw = decode(bytes, from, end, whole, message);
    if (flaw !== 0) metrics.dns_malformed_messages_total.add(1, context.label(FLAWS[flaw]!));
    if (!readable(flaw)) return this.outcome(packet, 'malformed');
    const tap = this.taps.get(packet.ifindex);
    if (tap?.extra) packet.network = true;
    const { type, name, response } = message;
    const question = name.length === 0 ? 0 : mix(hashBytes(SEED, name.bytes, 0, name.length), type) || 1;
    const typeLabel = this.labels.types.id(type);
    const queryLabel = this.labels.queries.id(message);
    const tracked = !packet.multicast && !(packet.sourcePort === MDNS && packet.destinationPort === MDNS);

    let counted: boolean;
    let latency = -1;
    if (response) {
      const slot = tracked ? this.pending.find(packet, true, message.id, question) : -1;
      if (slot >= 0) {
        const expected = this.pending.counted[slot] === 1;
        counted = expected && this.sightings.arrived(packet, bytes, from, end);
        if (!expected) this.sightings.passing(packet, bytes, from, end);
        latency = Math.max(0, packet.at - this.pending.sentAt[slot]!) / 1000;
        this.pending.remove(slot);
        if (expected) this.answered(bytes, latency);
      } else {
        counted = this.sightings.first(packet, true, bytes, from, end);
        if (counted && tracked) metrics.dns_unsolicited_responses_total.add(1);
      }
      if (counted) this.countResponse();
    } else {
      counted = this.sightings.first(packet, false, bytes, from, end);
      if (counted) metrics.dns_request_count.add(1);
      if (tracked) this.wait(packet, question, counted, typeLabel, queryLabel);
      else if (counted) metrics.dns_untracked_queries_total.add(1, this.multicast);
    }
    this.outcome(packet, counted ? 'counted' : 'duplicate');
    // what passes an uplink on its way from or to a pod is told at the pod's interface
    if (!counted && packet.network) return;
    const { labels, rows } = this;
    const dns = this.arena.keep(bytes, from, end, latency * 1000);
    const row = rows.add(packet, tap?.netns ?? 0, this.timeOfDay(packet.at), response, { dns });
    rows.counted[row] = counted ? 1 : 0;
    rows.type[row] = typeLabel;
    rows.query[row] = queryLabel;
    rows.latency[row] = latency;
    if (!response) return;
    rows.code[row] = labels.codes.id(message.code);
    rows.answer[row] = counted ? labels.responses.id(message, bytes) : 0;
    rows.count[row] = labels.counts.id(message.answers);
  }

  /** Gives up on queries that have waited too long. */
  expire(now: number): void {
    this.begin(now);
    this.pending.expire(now - this.context.config.timeoutSeconds * 1000, (slot) => this.late(slot));
    this.lateRows.end();
  }

  private countResponse(): void {
    const { metrics } = this.context;
    metrics.dns_response_count.add(1);
    metrics.dns_return_codes_total.add(1, this.labels.codes.id(this.message.code));
    if (this.message.truncated) metrics.dns_truncated_responses_total.add(1);
  }

  private answered(bytes: Uint8Array, latency: number): void {
    const { message, hints } = this;
    this.context.metrics.dns_latency_seconds.observe(latency);
    if (hints && message.addresses > 0 && message.code === NOERROR && message.name.length > 0)
      hints.learn(message, bytes, this.now);
  }

  private wait(packet: Packet, question: number, counted: boolean, type: number, query: number): void {
    const { pending } = this;
    if (pending.find(packet, false, this.message.id, question) >= 0) {
      if (counted) this.context.metrics.dns_retries_total.add(1);
      return;
    }
    const slot = pending.add(packet, question, this.now, this.outOfTable);
    pending.counted[slot] = counted ? 1 : 0;
    pending.family[slot] = packet.family;
    pending.egress[slot] = packet.egress ? 1 : 0;
    pending.network[slot] = packet.network ? 1 : 0;
    pending.ifindex[slot] = packet.ifindex;
    pending.typeLabel[slot] = type;
    pending.queryLabel[slot] = query;
  }

  private late(slot: number): void {
    const { pending, latePacket } = this;
    if (pending.counted[slot] === 0) return;
    this.context.metrics.dns_unanswered_total.add(1);
    latePacket.addresses.set(pending.addresses(slot));
    latePacket.sourcePort = pending.clientPort(slot);
    latePacket.destinationPort = pending.serverPort(slot);
    latePacket.protocol = pending.protocol(slot);
    latePacket.family = pending.family[slot]!;
    latePacket.egress = pending.egress[slot] === 1;
    latePacket.network = pending.network[slot] === 1;
    latePacket.ifindex = pending.ifindex[slot]!;
    const netns = this.taps.get(latePacket.ifindex)?.netns ?? 0;
    const { lateRows } = this;
    const row = lateRows.add(latePacket, netns, this.timeOfDay(pending.sentAt[slot]!), false, undefined);
    lateRows.type[row] = pending.typeLabel[slot]!;
    lateRows.query[row] = pending.queryLabel[slot]!;
  }

  private emit(batch: FlowBatch): void {
    this.context.flows.emit(batch);
    const { adv_dns_request_count, adv_dns_response_count, adv_dns_latency_seconds } = this.context.metrics;
    const { counted, response, code, type, query, answer, count, latency } = this.rows;
    for (let row = 0; row < batch.length; row++) {
      if (counted[row] === 1 && response[row] === 1)
        adv_dns_response_count.add(1, batch, row, code[row]!, type[row]!, query[row]!, answer[row]!, count[row]!);
      else if (counted[row] === 1) adv_dns_request_count.add(1, batch, row, type[row]!, query[row]!);
      if (latency[row]! >= 0) adv_dns_latency_seconds.observe(latency[row]!, batch, row);
    }
  }

  private countLate(batch: FlowBatch): void {
    const { type, query } = this.lateRows;
    this.context.flows.resolve(batch);
    for (let row = 0; row < batch.length; row++) {
      this.context.metrics.adv_dns_unanswered_total.add(1, batch, row, type[row]!, query[row]!);
    }
  }

  private outcome({ protocol }: Packet, outcome: Outcome): void {
    const labels = this.outcomes[protocol === TCP ? 'tcp' : 'udp'];
    this.context.metrics.dns_tap_messages_total.add(1, labels.protocol, labels[outcome]);
  }

  private timeOfDay(at: number): number {
    const time = at + this.clockOffset;
    const now = this.now + this.clockOffset;
    return Math.abs(time - now) < PLAUSIBLE_MS ? time : now;
  }
}

type Outcome = 'counted' | 'duplicate' | 'malformed';
