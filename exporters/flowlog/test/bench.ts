/**
 * What becomes of 50 000 and of 500 000 records a second, alone and beside a history on disk: `pnpm bench` in this package.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { flowLoad } from '@retina/testkit';
import exporter from '../src/index.ts';

const SECONDS = Number(process.env['SECONDS'] ?? 8);
const folder = mkdtempSync(join(tmpdir(), 'retina-flowlog-bench-'));
const log = { path: join(folder, 'flows.jsonl'), maxFileBytes: 64 * 2 ** 20 };
const history = { records: 4096, directory: join(folder, 'history'), maxBytes: 256 * 2 ** 20 };

for (const format of ['hubble', 'compact'] as const) {
  for (const rate of [50_000, 500_000]) {
    for (const kept of [false, true]) {
      if (format === 'compact' && kept) continue;
      const config = kept ? { flows: { history } } : {};
      const load = await flowLoad({ exporter, options: { ...log, format }, rate, seconds: SECONDS, config });
      const what = `${rate} records/s, ${format}${kept ? ', history on disk' : ''}`;
      process.stdout.write(`${what}: ${inspect(load, { breakLength: 120 })}\n`);
    }
  }
}
rmSync(folder, { recursive: true, force: true });
process.exit(0);
