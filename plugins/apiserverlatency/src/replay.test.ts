import { readRecording, type Recording, replay, runPlugin } from '@retina/testkit';
import { expect, it, vi } from 'vitest';
import plugin from './index.ts';

const RECORDED = readRecording(new URL('../fixtures/apiserverlatency.bin', import.meta.url));
const metric = (name: string) => `networkobservability_${name}`;
/** 65 buckets and the sum in nanoseconds, for all requests and for handshakes. */
const WIDTH = 66;

/** The recorded kernel, with other counters. */
function counting(map: string, values: readonly number[]): Recording['batches'][number] {
  const bytes = new Uint8Array(Float64Array.from(values).buffer);
  return {
    object: 'apiserverlatency.bpf.o',
    source: 'counters',
    map,
    stride: 8,
    records: values.length,
    lost: 0,
    bytes,
  };
}

it("shows the kernel's histograms in milliseconds, and goes on when they do", async () => {
  const counts = new Array<number>(2 * WIDTH).fill(0);
  const set = (which: 0 | 1, bucket: number, count: number) => (counts[which * WIDTH + bucket] = count);
  set(0, 0, 90);
  set(0, 3, 8);
  set(0, 64, 2);
  counts[65] = 300_250_000;
  set(1, 0, 10);
  counts[WIDTH + 65] = 1_500_000;
  const played = replay({
    ...RECORDED,
    batches: [counting('api_latency', counts), counting('api_unmeasured', [4, 1])],
  });
  await using running = await runPlugin(plugin, { intervalMs: 100 }, played);
  played.play();
  await vi.waitFor(() => expect(running.metrics.one(metric('adv_node_apiserver_latency_count'))).toBe(100), {
    timeout: 10_000,
  });
  const { metrics } = running;
  expect(metrics.one(metric('adv_node_apiserver_latency_sum'))).toBe(300.25);
  expect(metrics.one(metric('adv_node_apiserver_tcp_handshake_latency_count'))).toBe(10);
  expect(metrics.one(metric('adv_node_apiserver_tcp_handshake_latency_sum'))).toBe(1.5);
  expect(metrics.by('cause', metric('apiserver_unmeasured_total'))).toEqual({ repeated: 4, no_room: 1 });
  expect(metrics.one(metric('adv_node_apiserver_no_response'), { no_response: 'no_response' })).toBe(0);
  expect(metrics.one(metric('apiserver_addresses'))).toBe(0);
});
