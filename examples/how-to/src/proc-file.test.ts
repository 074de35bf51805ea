import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pluginContract, runPlugin } from '@retina/testkit';
import { afterAll, expect, it, vi } from 'vitest';
import plugin, { parseSoftnet } from './proc-file.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'retina-softnet-'));
afterAll(() => rmSync(folder, { recursive: true }));

const ZEROS = ' 00000000'.repeat(9);
const TEXT = `0000a1b2 00000003 00000007${ZEROS} 00000000\n00000010 00000000 00000000${ZEROS} 00000002\n`;

pluginContract(plugin, {
  module: import.meta.resolve('./proc-file.ts'),
  options: { intervalSeconds: 0.1 },
  refused: [{ intervalSeconds: 0 }, { file: '' }],
});

it('reads what the kernel writes, and counts what it would not', () => {
  expect(parseSoftnet(TEXT)).toEqual({
    cpus: [
      { number: 0, processed: 0xa1b2, dropped: 3, squeezed: 7 },
      { number: 2, processed: 16, dropped: 0, squeezed: 0 },
    ],
    badLines: 0,
  });
  expect(parseSoftnet('x\n00000001\n00000001 00000002 zzzzzzzz\n').badLines).toBe(3);
});

it('shows the totals, goes on when the file vanishes, and says so', async () => {
  const file = path.join(folder, 'softnet_stat');
  writeFileSync(file, TEXT);
  await using running = await runPlugin(plugin, { file, intervalSeconds: 0.1 });
  const total = 'networkobservability_softnet_packets_total';
  await vi.waitFor(() => expect(running.metrics.by('cpu', total, { outcome: 'processed' })).toEqual({ 0: 0xa1b2, 2: 16 }), 5000);
  rmSync(file);
  await vi.waitFor(() => expect(running.health.causes[0]?.code).toBe('RETINA_SOURCE_UNREACHABLE'), 5000);
  writeFileSync(file, TEXT);
  await vi.waitFor(() => expect(running.health.state).toBe('running'), 5000);
  expect(running.metrics.by('cpu', total, { outcome: 'dropped' })).toEqual({ 0: 3, 2: 0 });
}); // prettier-ignore
