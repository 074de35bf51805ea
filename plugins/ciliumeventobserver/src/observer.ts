import { FlowWriter, type PluginContext, type PolicyDetails } from '@retina/sdk';
import { readAccessLog } from './access-log.ts';
import type { Config, metrics } from './declarations.ts';
import { EVENT_NAMES, EventType, type PacketEvent, readEvent } from './events.ts';
import { GobError } from './gob-input.ts';
import { GobStream } from './gob-stream.ts';
import { fieldsOf, type GobValue } from './gob-types.ts';
import { PacketReader } from './packet.ts';
import { PolicyNames } from './policies.ts';
import { Rows } from './rows.ts';

export type Context = PluginContext<Config, typeof metrics>;

/** Longest wait of a record for others. */
const FLUSH_MS = 100;
/** `Payload.Type`, as perf_event.h numbers records. */
const RECORD_LOST = 2;
const EVENT_SAMPLE = 9;
/** `AgentNotify.Type`: an endpoint has rules that may be others than before. */
const ENDPOINT_REGENERATED = 3;
/** The kernel's ring carries at most 64 KiB at once; what the agent says of itself is larger. */
const LONGEST_MESSAGE = 1 << 20;

/** Turns what the monitor socket says into counts and flow records. Every event is counted once: as records, or as unused with a cause. */
export class Observer {
  private readonly context: Context;
  private readonly wanted: ReadonlySet<string>;
  private readonly rows: Rows;
  private readonly packets = new PacketReader();
  private readonly writer = new FlowWriter(1024);
  private readonly ids = new Map<string, number>();
  private readonly policies: PolicyNames | undefined;
  /** Runs while there are records to hand over: a node without Cilium is not woken for them. */
  private timer: NodeJS.Timeout | undefined;

  constructor(context: Context) {
    this.context = context;
    this.wanted = new Set(context.config.events);
    this.rows = new Rows((text) => context.label(text));
    const { policySockPath } = context.config;
    this.policies = policySockPath === '' ? undefined : context.use(new PolicyNames(policySockPath));
  }

  /** The reader of one connection. */
  stream(): GobStream {
    return new GobStream(LONGEST_MESSAGE, {
      value: (value) => this.payload(value),
      skipped: (error) => this.skipped(error.problem),
    });
  }

  /** Hands over the records written since the last time. */
  flush(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    if (this.writer.length === 0) return;
    this.context.flows.emit(this.writer.batch());
    this.writer.clear();
  }

  private payload(value: GobValue): void {
    const fields = fieldsOf(value);
    const [type, lost, data] = [fields.get('Type'), fields.get('Lost'), fields.get('Data')];
    if (type === RECORD_LOST) {
      const count = typeof lost === 'number' ? lost : 0;
      return this.context.metrics.cilium_events_lost_total.add(count);
    }
    if (type !== EVENT_SAMPLE) return this.skipped('unknown_record');
    if (!(data instanceof Uint8Array) || data.length === 0) return this.skipped('empty');
    this.event(data);
  }

  private event(data: Uint8Array): void {
    const number = data[0]!;
    const name = EVENT_NAMES[number] ?? 'unknown';
    const { cilium_events_total, cilium_flow_records_total, cilium_events_unused_total } = this.context.metrics;
    const type = this.id(name);
    if (number === EventType.AGENT) this.agent(data);
    cilium_events_total.add(1, type);
    const problem = this.wanted.has(name) ? this.record(number, data) : 'not_wanted';
    if (this.writer.length > 0) this.timer ??= setTimeout(() => this.flush(), FLUSH_MS);
    if (problem === undefined) cilium_flow_records_total.add(1, type);
    else cilium_events_unused_total.add(1, type, this.id(problem));
  }

  /** Writes the event's record, or says why there is none. */
  private record(type: number, data: Uint8Array): string | undefined {
    if (this.writer.length === this.writer.capacity) this.flush();
    if (type === EventType.ACCESS_LOG) return this.accessLog(data);
    const event = readEvent(data);
    if (typeof event === 'string') return event;
    const { packets } = this;
    const problem = packets.read(event.packet, event.noEthernet, event.ipv6, event.tunnel);
    if (problem) return problem;
    const policy = type === EventType.POLICY_VERDICT ? this.policy(event) : undefined;
    this.writer.add(...this.rows.of(event, packets, Date.now(), policy));
    return undefined;
  }

  private policy(event: PacketEvent): PolicyDetails | undefined {
    const [result, policy] = this.policies?.of(event) ?? [];
    if (result) this.context.metrics.cilium_policy_lookups_total.add(1, this.id(result));
    return policy;
  }

  private accessLog(data: Uint8Array): string | undefined {
    let problem: string | undefined = 'malformed';
    const failed = readOwn(data, (value) => (problem = this.access(value)));
    return failed ?? problem;
  }

  private access(value: GobValue): string | undefined {
    const { context } = this;
    const record = readAccessLog(value, (text) => context.label(text), Date.now());
    if (!record) return 'no_address';
    if (!this.writer.add(record.values, record.details)) return 'too_many';
    for (const address of record.learned) context.names.learn(address, record.name, record.ttl);
    return undefined;
  }

  /** The agent speaks of itself. */
  private agent(data: Uint8Array): void {
    readOwn(data, (value) => {
      if (fieldsOf(value).get('Type') === ENDPOINT_REGENERATED) this.policies?.forget();
    });
  }

  private skipped(cause: string): void {
    this.context.metrics.cilium_messages_skipped_total.add(1, this.id(cause));
  }

  /** Of texts of this program, never of the socket. */
  private id(text: string): number {
    let id = this.ids.get(text);
    if (id === undefined) this.ids.set(text, (id = this.context.label(text)));
    return id;
  }
}

/** Events of the agent itself are streams of their own behind the type. Returns why one cannot be read. */
function readOwn(data: Uint8Array, value: (value: GobValue) => void): string | undefined {
  let problem: string | undefined;
  const stream = new GobStream(LONGEST_MESSAGE, { value, skipped: (error) => void (problem = error.problem) });
  try {
    stream.push(data.subarray(1));
  } catch (error) {
    if (!(error instanceof GobError)) throw error;
    problem = error.problem;
  }
  return problem;
}
