import type { Endpoint, EndpointReader, FlowBatch } from '@retina/sdk';
import { PROTOCOLS } from '../flows/json.ts';
import { formatAddress } from '../identity/address.ts';
import { Relabeling } from './relabel.ts';
import type { RelabelRule } from './relabel-config.ts';

/** Where the texts of a record's numbers come from. */
export interface FlowTexts {
  readonly endpoints: Pick<EndpointReader, 'byId'>;
  readonly label: (id: number) => string;
}

interface Field {
  /** What distinguishes two values; cheap. */
  readonly id: (batch: FlowBatch, row: number) => string | number;
  readonly text: (batch: FlowBatch, row: number, texts: FlowTexts) => string;
}

const named = (at: (batch: FlowBatch, row: number) => number, names: readonly string[]): Field => ({
  id: at,
  text: (batch, row) => names[at(batch, row)] ?? 'unknown',
});
const number = (at: (batch: FlowBatch, row: number) => number): Field => ({
  id: at,
  text: (batch, row) => String(at(batch, row)),
});

type End = 'source' | 'destination';

function endpointField(end: End, text: (endpoint: Endpoint) => string): Field {
  const id = (batch: FlowBatch, row: number) =>
    end === 'source' ? batch.sourceEndpoint(row) : batch.destinationEndpoint(row);
  return { id, text: (batch, row, { endpoints }) => text(endpoints.byId(id(batch, row))) };
}

function fieldsOf(end: End): Record<string, Field> {
  const word = (batch: FlowBatch, row: number, i: number) =>
    end === 'source' ? batch.sourceWord(row, i) : batch.destinationWord(row, i);
  const address = (batch: FlowBatch, row: number) =>
    end === 'source' ? batch.sourceAddress(row) : batch.destinationAddress(row);
  return {
    [`${end}_ip`]: {
      id: (b, r) => `${word(b, r, 0)}.${word(b, r, 1)}.${word(b, r, 2)}.${word(b, r, 3)}`,
      text: (batch, row) => formatAddress(address(batch, row)),
    },
    [`${end}_port`]: number((b, r) => (end === 'source' ? b.sourcePort(r) : b.destinationPort(r))),
    [`${end}_kind`]: endpointField(end, ({ kind }) => kind),
    [`${end}_namespace`]: endpointField(end, ({ namespace }) => namespace),
    [`${end}_podname`]: endpointField(end, ({ kind, name }) => (kind === 'pod' ? name : '')),
    [`${end}_name`]: endpointField(end, ({ name }) => name),
    [`${end}_workload_kind`]: endpointField(end, ({ workloads }) => workloads[0]?.kind ?? ''),
    [`${end}_workload_name`]: endpointField(end, ({ workloads }) => workloads[0]?.name ?? ''),
    [`${end}_service`]: endpointField(end, ({ service }) => service),
    [`${end}_node`]: endpointField(end, ({ node }) => node),
    [`${end}_zone`]: endpointField(end, ({ zone }) => zone),
  };
}

const FIELDS: Readonly<Record<string, Field>> = {
  ...fieldsOf('source'),
  ...fieldsOf('destination'),
  protocol: { id: (b, r) => b.protocol(r), text: (b, r) => PROTOCOLS[b.protocol(r)] ?? String(b.protocol(r)) },
  verdict: named((b, r) => b.verdict(r), ['unknown', 'forwarded', 'dropped']),
  direction: named((b, r) => b.direction(r), ['unknown', 'ingress', 'egress']),
  is_reply: named((b, r) => b.isReply(r), ['false', 'true', 'unknown']),
  event: named((b, r) => b.event(r), ['update', 'start', 'end', 'reset', 'expired']),
  reason: {
    id: (b, r) => b.dropReason(r),
    text: (b, r, { label }) => (b.dropReason(r) === 0 ? '' : label(b.dropReason(r))),
  },
};

/** Fields of a flow record that rules may name, by the labels that pod-level metrics have for them. */
export const FLOW_RULE_FIELDS: readonly string[] = Object.keys(FIELDS);

const MOST_KEPT = 65_536;
/** An endpoint may get another workload or zone; an answer of before is no longer right then. */
const KEPT_MS = 10_000;

/** Which rows of a batch one exporter gets. An answer is found once for each combination of the fields that the rules name. */
export class FlowRules {
  private readonly fields: readonly Field[];
  private readonly apply: (values: readonly string[]) => unknown;
  private readonly texts: FlowTexts;
  private readonly known = new Map<string | number, boolean>();
  private since = 0;
  private rows = new Uint32Array(1024);

  constructor(rules: readonly RelabelRule[], texts: FlowTexts) {
    const names = new Set(rules.flatMap((rule) => [...rule.source_labels, ...(rule.target_label ? [rule.target_label] : [])])); // prettier-ignore
    const used = [...names].filter((name) => name in FIELDS);
    this.fields = used.map((name) => FIELDS[name]!);
    const plan = new Relabeling(rules).plan('flow', used);
    this.apply = plan.none ? () => undefined : (values) => plan.apply(values);
    this.texts = texts;
  }

  /** Rows that are wanted, ascending, valid until the next call; undefined: all of them. */
  select(batch: FlowBatch, now = Date.now()): Uint32Array | undefined {
    if (this.known.size > MOST_KEPT || now - this.since > KEPT_MS || now < this.since) {
      this.known.clear();
      this.since = now;
    }
    if (this.rows.length < batch.length) this.rows = new Uint32Array(batch.length);
    let n = 0;
    for (let row = 0; row < batch.length; row++) if (this.wanted(batch, row)) this.rows[n++] = row;
    return n === batch.length ? undefined : this.rows.subarray(0, n);
  }

  private wanted(batch: FlowBatch, row: number): boolean {
    const { fields, known } = this;
    let key: string | number = fields.length === 1 ? fields[0]!.id(batch, row) : '';
    if (fields.length > 1) for (const field of fields) key = `${key},${field.id(batch, row)}`;
    let answer = known.get(key);
    if (answer === undefined) {
      answer = this.apply(fields.map((field) => field.text(batch, row, this.texts))) !== undefined;
      known.set(key, answer);
    }
    return answer;
  }
}
