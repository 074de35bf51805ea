import { FlowWriter, RetinaError, type FlowBatch } from '@retina/sdk';
import { afterEach, expect, test } from 'vitest';
import { z } from 'zod';
import { loadConfig } from '../config/load.ts';
import type { Host } from './host.ts';
import { exporter, plugin, QUICK, sample, startHost, until } from './testing.ts';

let host: Host | undefined;
afterEach(() => host?.stop(500));

const config = (text: string) => loadConfig({ text, environment: {} }).config;
const names = () => host!.health().components.map(({ name, state }) => `${name} ${state}`);

/** Emits whatever is asked for. */
function emitter() {
  let emit: ((batch: FlowBatch) => void) | undefined;
  const component = plugin('source', { setup: (ctx) => void (emit = (batch) => ctx.flows.emit(batch)) });
  const writer = new FlowWriter(4096);
  return {
    component,
    emit(ports: readonly number[]) {
      writer.clear();
      for (const destinationPort of ports) writer.add({ destinationPort, protocol: 6, verdict: 1 });
      emit!(writer.batch());
    },
  };
}

test('an exporter pushes at the interval, retries, degrades while it fails, and has the last word at the end', async () => {
  let fail = false;
  let pushes = 0;
  const last: string[] = [];
  const push = exporter('push', {
    setup: () => ({
      async metrics(reader) {
        if (fail) throw new RetinaError('RETINA_EXPORT_RETRY', 'receiver away', { retryable: true });
        pushes++;
        last.push(String(sample(reader, 'networkobservability_work_total')));
      },
      async flush() {
        last.push('flushed');
      },
    }),
  });
  let total = 0;
  const work = plugin('work', {
    metrics: { work_total: { kind: 'counter', help: 'Work.' } },
    setup: (ctx) => {
      ctx.every(1, () => ctx.metrics.work_total.set(++total));
      ctx.defer(() => ctx.metrics.work_total.set((total = 1_000_000)));
    },
  });
  host = await startHost([push, work], {
    yaml: 'plugins: {work: {}}\nexporters: {push: {push: {retry: {first: 20ms}}}}\nmetricsIntervalDuration: 100ms',
  });
  await until(() => pushes >= 2, 'two pushes');
  const state = () => host!.health().components.find(({ name }) => name === 'push')!;
  fail = true;
  await until(() => state().state === 'degraded', 'degraded');
  expect(state().causes[0]!.code).toBe('RETINA_EXPORT_FAILED');
  fail = false;
  await until(() => state().state === 'running', 'running again');
  await host.stop();
  expect(last.slice(-2)).toEqual(['1000000', 'flushed']);
});

test('one exporter under several names: each with its own options, rules, counts and life', async () => {
  const got: Record<string, number[]> = {};
  const starts: string[] = [];
  const sink = exporter('sink', {
    setup(ctx) {
      starts.push(ctx.instance);
      expect(ctx.host).toMatchObject({ nodeName: 'n1', clusterName: 'c1' });
      const mine = (got[ctx.instance] ??= []);
      return {
        push: { flowWaitMs: 5 },
        flows(batch) {
          for (let row = 0; row < batch.length; row++) mine.push(batch.destinationPort(row));
          if (ctx.instance === 'sink/west') throw new RetinaError('RETINA_EXPORT_REFUSED', 'west is closed');
        },
      };
    },
  });
  const source = emitter();
  const yaml = (more: string) => `
nodeName: n1
clusterName: c1
plugins: {source: {}}
exporters:
  sink/east: {flowRelabelConfigs: [{source_labels: [destination_port, protocol], regex: '53;TCP', action: drop}]}
  sink/west: {${more}}
  sink: {}
`;
  host = await startHost([source.component, sink], { yaml: yaml('') });
  expect(names()).toEqual(['source running', 'sink/east running', 'sink/west running', 'sink running']);
  source.emit([80, 53, 443]);
  const read = (name: string, ...labels: string[]) => sample(host!.metrics, name, ...labels);
  await until(() => read('retina_export_lost_records_total', 'sink/west', 'refused') === 3, 'west has lost all');
  await until(() => read('retina_export_delivered_records_total', 'sink') === 3, 'the plain one has all');
  await until(() => read('retina_export_delivered_records_total', 'sink/east') === 2, 'east has two');
  expect(got['sink/east']).toEqual([80, 443]);
  expect(read('retina_export_filtered_records_total', 'sink/east')).toBe(1);
  expect(read('retina_export_records_total', 'sink/east')).toBe(2);
  expect(read('retina_lost_records_total', 'export', 'sink/west')).toBe(3);
  expect(read('retina_exporter_state', 'sink/west', 'degraded')).toBe(1);
  const report = await host.reconcile(config(yaml('push: {timeout: 1s}')));
  expect(report.restarted).toEqual(['exporter sink/west']);
  expect(starts.toSorted()).toEqual(['sink', 'sink/east', 'sink/west', 'sink/west']);
});

test('what passes while an exporter that failed is set up afresh is counted as lost, by its rules, and no longer when it is there again', async () => {
  let setups = 0;
  const gate = Promise.withResolvers<void>();
  const got: number[] = [];
  const sink = exporter('sink', {
    async setup() {
      if (++setups === 2) throw new Error('not yet');
      if (setups === 3) await gate.promise;
      return {
        push: { flowWaitMs: 5, timeoutMs: 10 },
        flows(batch, signal) {
          if (setups === 1) return new Promise<void>(() => void signal); // hangs, and does not mind its signal
          for (let row = 0; row < batch.length; row++) got.push(batch.destinationPort(row));
        },
      };
    },
  });
  const source = emitter();
  const rules = "flowRelabelConfigs: [{source_labels: [destination_port], regex: '53', action: drop}]";
  host = await startHost([source.component, sink], {
    yaml: `plugins: {source: {}}\nexporters: {sink: {${rules}, push: {timeout: 10ms, retry: {first: 1ms, longest: 1ms}}}}`,
    limits: { ...QUICK, setupMs: 20_000 },
  });
  const read = (name: string, ...labels: string[]) => sample(host!.metrics, name, ...labels);
  const lost = () => ['away', 'shutdown', 'queue_full', 'gave_up'].reduce((sum, cause) => sum + (read('retina_export_lost_records_total', 'sink', cause) ?? 0), 0);
  source.emit([80]);
  await until(() => setups === 3, 'it hung, did not come up again, and is about to', 15_000);
  source.emit([80, 53, 443]);
  expect(read('retina_export_lost_records_total', 'sink', 'away')).toBe(2);
  expect(read('retina_lost_records_total', 'export', 'sink')).toBe(lost());
  gate.resolve();
  await until(() => host!.health().components.every(({ state }) => state === 'running'), 'it is there again', 15_000);
  source.emit([8080]);
  await until(() => got.includes(8080), 'it takes records');
  expect(read('retina_export_lost_records_total', 'sink', 'away')).toBe(2);
  expect(read('retina_export_records_total', 'sink')).toBe(lost() + got.length);
}); // prettier-ignore

test('what passes while a changed configuration replaces an exporter is counted as lost, and what comes after its removal is not', async () => {
  const gate = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const got: number[] = [];
  const sink = exporter('sink', {
    config: z.object({ which: z.string() }),
    async setup(ctx) {
      if (ctx.config['which'] === 'new') {
        asked.resolve();
        await gate.promise;
      }
      return { push: { flowWaitMs: 5 }, flows: (batch) => void got.push(batch.length) };
    },
  });
  const source = emitter();
  const yaml = (exporters: string) => `plugins: {source: {}}\nexporters: {${exporters}}`;
  host = await startHost([source.component, sink], { yaml: yaml('sink: {which: old}'), limits: { ...QUICK, setupMs: 20_000 } });
  const read = (name: string, ...labels: string[]) => sample(host!.metrics, name, 'sink', ...labels);
  source.emit([80]);
  await until(() => read('retina_export_delivered_records_total') === 1, 'the old one has it');
  const replaced = host.reconcile(config(yaml('sink: {which: new}')));
  await asked.promise;
  source.emit([80, 53]);
  expect(read('retina_export_lost_records_total', 'away')).toBe(2);
  gate.resolve();
  await replaced;
  source.emit([443]);
  await until(() => read('retina_export_delivered_records_total') === 2, 'the new one has it');
  expect([read('retina_export_records_total'), got.length]).toEqual([4, 2]);
  await host.reconcile(config(yaml('')));
  source.emit([443]);
  expect([read('retina_export_records_total'), read('retina_export_lost_records_total', 'away')]).toEqual([4, 2]);
}); // prettier-ignore

test('an exporter sees metrics by its own rules, others do not', async () => {
  const readers: Record<string, () => number | undefined> = {};
  const reading = exporter('reading', {
    setup: (ctx) => void (readers[ctx.instance] = () => sample(ctx.metrics, 'networkobservability_work_total', 'a')),
  });
  const work = plugin('work', {
    metrics: { work_total: { kind: 'counter', help: 'Work.', labels: ['of'] } },
    setup: (ctx) => void ctx.metrics.work_total.add(1, ctx.label('a')),
  });
  host = await startHost([reading, work], {
    yaml: `plugins: {work: {}}
exporters:
  reading/some: {metricRelabelConfigs: [{source_labels: [of], regex: a, action: drop}]}
  reading/all: {}`,
  });
  expect([readers['reading/some']!(), readers['reading/all']!()]).toEqual([undefined, 1]);
  expect(sample(host.metrics, 'retina_export_hidden_series', 'reading/some', 'dropped')).toBe(1);
});

test('mistakes in what the host reads of an exporter are said with their place', () => {
  const text = `exporters:
  prometheus:
    push: {interval: 5, retrry: {}}
    metricRelabelConfigs: [{regex: '(?!x)', action: keep}, {action: hashmod, target_label: a}]
    flowRelabelConfigs: [{source_labels: [colour], action: keep}, {target_label: protocol, action: replace}]
`;
  expect(() => config(text)).toThrow(/interval[\s\S]*retrry[\s\S]*RE2[\s\S]*modulus[\s\S]*colour[\s\S]*flow record is sent whole/); // prettier-ignore
});
