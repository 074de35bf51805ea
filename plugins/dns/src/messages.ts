import type { FlowBatch, PluginContext } from '@retina/sdk';
import { Choice } from './choice.ts';
import { decode, FLAWS, Message, readable } from './decode.ts';
import type { Config, metrics } from './declarations.ts';
import { Arena } from './details.ts';
import { Hints } from './hints.ts';
import { gather, Known, noFacts } from './known.ts';
import type { Labels } from './labels.ts';
import { Packet, TCP } from './packet.ts';
import { Pending } from './pending.ts';
import { Print } from './print.ts';
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
  private readonly print = new Print();
  private readonly known = new Known();
  private readonly facts = noFacts();
  private readonly choice: Choice;
  /** Nobody chose whom the message is from or to: only the node's totals have it. */
  private aside = false;
  /** Until when what the message tells of addresses need not be learned again. */
  private learnt = 0;
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
    this.choice = new Choice(context.flows);
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
    const { print, known, facts, sightings, pending } = this;
    const { metrics } = this.context;
    const tap = this.taps.get(packet.ifindex);
    if (tap?.extra) packet.network = true;
    const [netns, time] = [tap?.netns ?? 0, this.timeOfDay(packet.at)];
    this.aside = this.choice.leaves(packet, netns, time, (bytes[from + 2]! & 0x80) !== 0);
    print.take(bytes, from, end);
    const place = whole ? known.find(print) : -1;
    const seen = place >= 0;
    let flaw = 0;
    if (seen) known.read(place, facts);
    else {
      flaw = decode(bytes, from, end, whole, this.message);
      if (flaw !== 0) metrics.dns_malformed_messages_total.add(1, this.context.label(FLAWS[flaw]!));
      if (!readable(flaw)) return this.outcome(packet, 'malformed');
      gather(this.message, this.labels, facts, this.aside);
    }
    this.learnt = seen ? known.learnt(place) : 0;
    const { response, question } = facts;
    const tracked = !packet.multicast && !(packet.sourcePort === MDNS && packet.destinationPort === MDNS);

    let counted: boolean;
    let latency = -1;
    if (response) {
      const slot = tracked ? pending.find(packet, true, print.id, question) : -1;
      if (slot >= 0) {
        const expected = pending.counted[slot] === 1;
        counted = expected && sightings.arrived(packet, print);
        if (!expected) sightings.passing(packet, print);
        latency = Math.max(0, packet.at - pending.sentAt[slot]!) / 1000;
        pending.remove(slot);
        if (expected) this.answered(bytes, from, end, seen, latency);
      } else {
        counted = sightings.first(packet, true, print);
        if (counted && tracked) metrics.dns_unsolicited_responses_total.add(1);
      }
      if (counted) this.countResponse(bytes, seen);
    } else {
      counted = sightings.first(packet, false, print);
      if (counted) metrics.dns_request_count.add(1);
      if (tracked) this.wait(packet, counted);
      else if (counted) metrics.dns_untracked_queries_total.add(1, this.multicast);
    }
    if (seen) known.setLearnt(place, this.learnt);
    else if (!this.aside && flaw === 0 && whole && (counted || !response)) this.remember();
    this.outcome(packet, counted ? 'counted' : 'duplicate');
    // what passes an uplink on its way from or to a pod is told at the pod's interface
    if (!counted && packet.network) return;
    const { rows, arena } = this;
    if (this.aside) latency = -1;
    const kept = this.aside ? 0 : arena.keep(bytes, from, end, latency * 1000);
    const row = rows.add(packet, netns, time, response, this.aside ? undefined : arena.chunk, kept);
    rows.counted[row] = counted && !this.aside ? 1 : 0;
    rows.type[row] = facts.type;
    rows.query[row] = facts.query;
    rows.latency[row] = latency;
    if (!response) return;
    rows.code[row] = facts.code;
    rows.answer[row] = facts.answer;
    rows.count[row] = facts.count;
  }

  /** Gives up on queries that have waited too long. */
  expire(now: number): void {
    this.begin(now);
    this.pending.expire(now - this.context.config.timeoutSeconds * 1000, (slot) => this.late(slot));
    this.lateRows.end();
  }

  /** Messages alike need not be read again; those whose label found no room are, since that is counted. */
  private remember(): void {
    const { labels, facts } = this;
    if (facts.query === labels.queries.labels.overflow || facts.answer === labels.responses.labels.overflow) return;
    const place = this.known.keep(this.print, facts);
    if (place >= 0) this.known.setLearnt(place, this.learnt);
  }

  private countResponse(bytes: Uint8Array, seen: boolean): void {
    const { facts, labels } = this;
    const { metrics } = this.context;
    metrics.dns_response_count.add(1);
    metrics.dns_return_codes_total.add(1, facts.code);
    if (facts.truncated) metrics.dns_truncated_responses_total.add(1);
    if (!seen && !this.aside) facts.answer = labels.responses.id(this.message, bytes);
  }

  private answered(bytes: Uint8Array, from: number, end: number, seen: boolean, latency: number): void {
    const { message, hints } = this;
    this.context.metrics.dns_latency_seconds.observe(latency);
    if (!hints || this.aside || this.now < this.learnt) return;
    if (seen) decode(bytes, from, end, true, message);
    const tells = message.addresses > 0 && message.code === NOERROR && message.name.length > 0;
    this.learnt = tells ? hints.learn(message, bytes, this.now) : Infinity;
  }

  private wait(packet: Packet, counted: boolean): void {
    const { pending, facts } = this;
    if (pending.find(packet, false, this.print.id, facts.question) >= 0) {
      if (counted) this.context.metrics.dns_retries_total.add(1);
      return;
    }
    const slot = pending.add(packet, facts.question, this.now, this.outOfTable);
    pending.counted[slot] = counted ? 1 : 0;
    pending.family[slot] = packet.family;
    pending.egress[slot] = packet.egress ? 1 : 0;
    pending.network[slot] = packet.network ? 1 : 0;
    pending.ifindex[slot] = packet.ifindex;
    pending.typeLabel[slot] = facts.type;
    pending.queryLabel[slot] = facts.query;
  }

  private late(slot: number): void {
    const { pending, latePacket } = this;
    if (pending.counted[slot] === 0) return;
    this.context.metrics.dns_unanswered_total.add(1);
    if (pending.queryLabel[slot] === 0) return; // nobody had chosen who asked
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
    const row = lateRows.add(latePacket, netns, this.timeOfDay(pending.sentAt[slot]!), false, undefined, 0);
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
