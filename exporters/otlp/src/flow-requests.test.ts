import { JsonLogsSerializer, ProtobufLogsSerializer } from '@opentelemetry/otlp-transformer';
import { type Endpoint, FlowBatch, FLOW_OFFSETS, FLOW_STRIDE, type FlowDetails } from '@retina/sdk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ENDPOINTS } from '../test/context.ts';
import { ObjectRequest } from '../test/objects.ts';
import type { Aggregate, FlowTexts } from './flow-attributes.ts';
import { ByteRequest } from './flow-bytes.ts';
import { JsonRequest } from './flow-json.ts';
import { FlowTotals } from './flow-totals.ts';
import { resourceOf } from './resource.ts';

const text = fc.oneof(
  fc.string({ maxLength: 12 }),
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('', '\ud800', 'é'.repeat(2000), 'x'.repeat(127), 'x'.repeat(128), 'ÿ'.repeat(63), '\0'),
);
const endpoint: fc.Arbitrary<Endpoint> = fc.record({
  id: fc.nat(3),
  kind: fc.constantFrom('unknown', 'pod', 'node', 'service', 'world'),
  namespace: text,
  name: text,
  workloads: fc.array(fc.record({ kind: text, name: text }), { maxLength: 2 }),
  labels: fc.constant({}),
  service: text,
  zone: text,
  node: text,
  addresses: fc.constant([]),
});
const details: fc.Arbitrary<FlowDetails> = fc.record(
  {
    reason: text,
    policies: fc.array(fc.record({ kind: text, namespace: text, name: text }), { maxLength: 20 }),
    dns: fc.record(
      {
        id: fc.nat(), response: fc.boolean(), query: text, queryType: text, responseCode: text,
        addresses: fc.array(text, { maxLength: 40 }), latencyMs: fc.oneof(fc.double(), fc.double({ min: 0, max: 1000 })),
      },
      { requiredKeys: ['id', 'response', 'query', 'queryType'] },
    ),
  },
  { requiredKeys: [] },
); // prettier-ignore

const mapped = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);
/** A record of any bytes; often with likely ones where that leads further. */
const row = fc
  .record({
    bytes: fc.uint8Array({ minLength: FLOW_STRIDE, maxLength: FLOW_STRIDE }),
    ipv4: fc.boolean(),
    protocol: fc.constantFrom(undefined, 1, 6, 17),
    verdict: fc.constantFrom(undefined, 1, 2),
    numbers: fc.option(fc.tuple(...Array.from({ length: 4 }, () => fc.oneof(fc.double(), fc.maxSafeNat(), fc.nat(2000), fc.constantFrom(-1, 2 ** 53, 2 ** 56, 2 ** 62, 2 ** 63, 2 ** 64, -(2 ** 63), 0.5))))), // prettier-ignore
  })
  .map(({ bytes, ipv4, protocol, verdict, numbers }) => {
    if (ipv4) for (const at of [FLOW_OFFSETS.sourceAddress, FLOW_OFFSETS.destinationAddress]) bytes.set(mapped, at);
    if (protocol !== undefined) bytes[FLOW_OFFSETS.protocol] = protocol;
    if (verdict !== undefined) bytes[FLOW_OFFSETS.verdict] = verdict;
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    for (const at of [FLOW_OFFSETS.sourceEndpoint, FLOW_OFFSETS.destinationEndpoint]) view.setUint32(at, view.getUint32(at) % 5, true); // prettier-ignore
    const [start, end, size, packets] = numbers ?? [];
    if (numbers) {
      view.setFloat64(FLOW_OFFSETS.start, start!, true);
      view.setFloat64(FLOW_OFFSETS.end, end!, true);
      view.setFloat64(FLOW_OFFSETS.bytes, size!, true);
      view.setFloat64(FLOW_OFFSETS.packets, packets!, true);
    }
    return bytes;
  });

function batchOf(rows: readonly Uint8Array[], more: readonly (FlowDetails | undefined)[]): FlowBatch {
  const slab = new Uint8Array(rows.length * FLOW_STRIDE);
  rows.forEach((bytes, i) => slab.set(bytes, i * FLOW_STRIDE));
  return new FlowBatch(slab, rows.length, more);
}

describe('requests written from the columns of a batch', () => {
  it("are byte for byte what the SDK's serializers make of the same records as objects, whatever is in them", () => {
    let known: readonly Endpoint[] = ENDPOINTS;
    const texts: FlowTexts = {
      endpoints: { byId: (id) => known[id] ?? ENDPOINTS[0]!, byAddress: () => ENDPOINTS[0]! },
      labelText: (id) => (id % 2 === 0 ? `reason ${id}` : 'größe \ud800'),
    };
    const origin = {
      resource: resourceOf({ nodeName: 'node-7', clusterName: 'test', version: '1.2.3' }, { a: 1, b: 0.5, c: true, d: 'ä' }),
      scope: { name: 'retina', version: '1.2.3' },
    }; // prettier-ignore
    const bytes = new ByteRequest(origin, texts); // one for all: what it remembers must not show
    const json = new JsonRequest(origin, texts);
    const objects = new ObjectRequest(origin, texts);
    const by = fc.constantFrom<Aggregate>('none', 'connection', 'workload');
    const lost = fc.option(fc.record({ total: fc.oneof(fc.nat(), fc.constant(1e21)), causes: fc.constantFrom({}, { queue_full: 7, gave_up: 2 ** 33 }) })); // prettier-ignore
    fc.assert(
      fc.property(
        fc.array(fc.tuple(row, fc.option(details, { nil: undefined })), { minLength: 1, maxLength: 6 }),
        fc.array(endpoint, { minLength: 5, maxLength: 5 }),
        by,
        lost,
        fc.oneof(fc.double(), fc.nat()),
        (rows, endpoints, how, loss, now) => {
          known = endpoints;
          const batch = batchOf(
            rows.map(([one]) => one),
            rows.map(([, more]) => more),
          );
          for (const request of [bytes, json, objects]) {
            request.begin(now);
            if (loss) request.loss(loss);
            const sum = new FlowTotals();
            for (let i = 0; i < batch.length; i++) {
              request.record(batch, i, how, how === 'none' ? new FlowTotals().add(batch, i) : sum.add(batch, i));
            }
          }
          for (const [request, serializer, encoding] of [[bytes, ProtobufLogsSerializer, 'hex'], [json, JsonLogsSerializer, 'utf8']] as const) {
            const expected = Buffer.from(serializer.serializeRequest(objects.records)!).toString(encoding);
            const body = request.end();
            expect(Buffer.from(body).toString(encoding)).toBe(expected);
            request.release(body); // its memory is the next one's
          } // prettier-ignore
        },
      ),
      { numRuns: 500 },
    );
  }, 60_000);

  it('of a long request as well', () => {
    const texts: FlowTexts = {
      endpoints: { byId: (id) => ENDPOINTS[id] ?? ENDPOINTS[0]!, byAddress: () => ENDPOINTS[0]! },
      labelText: (id) => `reason ${id}`,
    };
    const origin = { resource: resourceOf({ nodeName: 'n', clusterName: undefined, version: '1' }, {}), scope: { name: 'retina', version: '1' } }; // prettier-ignore
    const one = new Uint8Array(FLOW_STRIDE);
    const batch = batchOf(Array.from({ length: 1000 }, () => one), []); // prettier-ignore
    const requests = [new ByteRequest(origin, texts), new JsonRequest(origin, texts), new ObjectRequest(origin, texts)] as const; // prettier-ignore
    for (const request of requests) {
      request.begin(1_700_000_000_000);
      for (let i = 0; i < batch.length; i++) request.record(batch, i, 'none', new FlowTotals().add(batch, i));
    }
    const [bytes, json, objects] = requests;
    expect(Buffer.compare(bytes.end(), ProtobufLogsSerializer.serializeRequest(objects.records)!)).toBe(0);
    expect(Buffer.compare(json.end(), JsonLogsSerializer.serializeRequest(objects.records)!)).toBe(0);
  });
});
