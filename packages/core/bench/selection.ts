/**
 * What a flow record costs where pods are selected, by whether its pods are: `pnpm exec node --conditions=@retina/source
 * packages/core/bench/selection.ts`. The quietest of many rounds, in nanoseconds a record.
 */
import { type FlowBatch, FLOW_STRIDE, FlowWriter, Observation, Verdict } from '@retina/sdk';
import { FlowHistory } from '../src/flows/history.ts';
import { FlowPipeline } from '../src/flows/pipeline.ts';
import { parseAddress } from '../src/identity/address.ts';
import { EndpointTable } from '../src/identity/table.ts';
import { MetricStore } from '../src/metrics/store.ts';

const [FLOWS, PODS, ROWS, ROUNDS] = [10_000, 1000, 1000, 300];
const COUNT = { kind: 'counter', scope: 'pod', direction: true } as const;
const SPECS = {
  packets_total: { ...COUNT, option: 'packets', help: 'Packets.' },
  bytes_total: { ...COUNT, option: 'bytes', help: 'Bytes.' },
} as const;

/** One flow each, in batches as a drain hands them over; `seen`: not the first record of its flow. */
function batches(seen: boolean): FlowBatch[] {
  return Array.from({ length: FLOWS / ROWS }, (_, b) => {
    const writer = new FlowWriter(ROWS);
    for (let i = b * ROWS; i < (b + 1) * ROWS; i++) {
      const pod = i % PODS;
      writer.add({
        sourceAddress: parseAddress(`10.0.${pod >> 8}.${pod & 255}`)!, destinationAddress: parseAddress(`192.0.${i >> 8}.${i & 255}`)!,
        sourcePort: 1024 + i, destinationPort: 443, protocol: 6, family: 4, ifindex: 10 + pod, observation: Observation.FROM_ENDPOINT,
        verdict: Verdict.FORWARDED, packets: 3, bytes: 300, flowId: i + 1, fresh: seen ? 0 : 1,
      }); // prettier-ignore
    }
    return writer.batch();
  });
}

function world(observed: (pod: number) => boolean, selecting: boolean) {
  const table = new EndpointTable();
  const pods = table.provider(8);
  for (let n = 0; n < PODS; n++) {
    pods.put({ key: `${n}`, kind: 'pod', namespace: 'shop', name: `pod-${n}`, addresses: [`10.0.${n >> 8}.${n & 255}`], interfaces: [10 + n], observed: observed(n) }); // prettier-ignore
  }
  const interest = selecting ? 'chosen' : undefined;
  const store = new MetricStore({ endpoints: table, pods: { context: 'local', interest } });
  const { instruments } = store.open('bench', SPECS);
  const pipeline = new FlowPipeline({ endpoints: table, history: new FlowHistory(16_384) });
  pipeline.selection.on = selecting;
  const copy = new Uint8Array(ROWS * FLOW_STRIDE);
  pipeline.addSink('queue', ({ buffer, length }) => copy.set(buffer.subarray(0, length * FLOW_STRIDE))); // as an exporter's queue does
  const flows = pipeline.source('bench');
  return (batch: FlowBatch) => {
    flows.emit(batch);
    for (let row = 0; row < batch.length; row++) {
      if (batch.aside(row)) continue;
      instruments.packets_total.add(batch.packets(row), batch, row);
      instruments.bytes_total.add(batch.bytes(row), batch, row);
    }
  };
}

function nanoseconds(take: (batch: FlowBatch) => void, all: readonly FlowBatch[]): string {
  let least = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const before = performance.now();
    for (const batch of all) take(batch);
    least = Math.min(least, ((performance.now() - before) * 1e6) / FLOWS);
  }
  return least.toFixed(0).padStart(6);
}

const known = batches(true);
const fresh = batches(false);
const say = (title: string, take: (batch: FlowBatch) => void) =>
  process.stdout.write(`${title.padEnd(44)} ${nanoseconds(take, fresh)} in a flow's first record, ${nanoseconds(take, known)} in those after it\n`); // prettier-ignore

process.stdout.write('nanoseconds a record, identity, history, one exporter and two pod-level families included\n');
say(
  'nothing is selected',
  world(() => false, false),
);
say(
  'pods are selected, these are not',
  world(() => false, true),
);
say(
  'every second one is',
  world((n) => n % 2 === 0, true),
);
say(
  'all of them are',
  world(() => true, true),
);
