import { existsSync, mkdirSync, readFileSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { API, defineExporter } from '@retina/sdk';
import { runExporter } from '@retina/testkit';
import { expect, it, vi } from 'vitest';
import { z } from 'zod';
import { folder } from '../test/log.ts';
import exporter from './index.ts';

const PATIENT = { timeout: 25_000, interval: 20 };
const push = { batch: 50, wait: '10ms', retry: { first: '10ms', longest: '40ms', giveUpAfter: '500ms' } };

it('a disk that is full costs the log, in state and counts, nobody else, and only until there is room', async () => {
  using where = folder();
  const path = join(where.path, 'flows.jsonl');
  symlinkSync('/dev/full', path);
  let beside = 0;
  const bystander = defineExporter({
    name: 'bystander', api: API, description: 'Takes everything at once.', stability: 'experimental', config: z.object({}),
    setup: () => ({ push: { flowWaitMs: 10 }, flows: (batch) => void (beside += batch.length) }),
  });
  await using run = await runExporter(exporter, { path, push }, [bystander]);
  const of = (name: string, more = {}) => run.metrics.sum(name, { exporter: 'flowlog', ...more });
  run.emit(100);
  await vi.waitFor(() => {
    expect(run.health).toMatchObject({ state: 'degraded', causes: [{ code: 'RETINA_EXPORT_FAILED', message: expect.stringContaining('ENOSPC') as string }] });
    expect(of('retina_export_lost_records_total', { cause: 'gave_up' })).toBe(100);
  }, PATIENT);
  expect(of('retina_export_delivered_records_total')).toBe(0);
  expect(of('retina_export_calls_total', { outcome: 'retry' })).toBeGreaterThan(0);
  await vi.waitFor(() => expect(beside).toBe(100), PATIENT);
  expect(run.stateOf('bystander').state).toBe('running');
  unlinkSync(path);
  run.emit(50);
  await vi.waitFor(() => expect([of('retina_export_delivered_records_total'), run.health.state]).toEqual([50, 'running']), PATIENT);
  expect(readFileSync(path, 'utf8').trimEnd().split('\n')).toHaveLength(50);
}); // prettier-ignore

it('what an agent that died left half-written is gone, and the log whole', async () => {
  using where = folder();
  mkdirSync(join(where.path, 'log'));
  const path = join(where.path, 'log', 'flows.jsonl');
  writeFileSync(path, '{"flow":{}}\n{"flow":{"source":{"na');
  writeFileSync(`${path}.gz.part`, 'half a compression');
  await using run = await runExporter(exporter, { path, push, compress: true });
  run.emit(50);
  await vi.waitFor(() => expect(run.metrics.sum('retina_export_delivered_records_total', { exporter: 'flowlog' })).toBe(50), PATIENT); // prettier-ignore
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
  expect(lines.map((line) => typeof JSON.parse(line))).toEqual(Array.from({ length: 51 }, () => 'object'));
  expect(existsSync(`${path}.gz.part`)).toBe(false);
});
