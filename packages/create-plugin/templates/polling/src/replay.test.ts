import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { runPlugin } from '@retina/testkit';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import plugin from './index.ts';

const RECORDED = 'sockets: used 181\nTCP: inuse 27 orphan 1 tw 3 alloc 30 mem 4\nUDP: inuse 6 mem 2\nRAW: inuse 0\n';
let folder: string;

beforeAll(async () => (folder = await mkdtemp(path.join(tmpdir(), 'my-thing-'))));
afterAll(() => rm(folder, { recursive: true }));

it('shows what the file says, counts what it does not understand, and says when the file is gone', async () => {
  const file = path.join(folder, 'sockstat');
  writeFileSync(file, `${RECORDED}TCP: inuse many\n`);
  await using running = await runPlugin(plugin, { file, intervalSeconds: 0.1 });
  await vi.waitFor(() => {
    const { metrics } = running;
    expect(metrics.by('protocol', 'networkobservability_my_thing_sockets')).toEqual({ tcp: 27, udp: 6, raw: 0 });
    expect(metrics.one('networkobservability_my_thing_bad_lines_total')).toBeGreaterThan(0);
  }, 5000);
  await rm(file);
  await vi.waitFor(() => expect(running.health.causes[0]?.code).toBe('RETINA_SOURCE_UNREACHABLE'), 5000);
  writeFileSync(file, RECORDED);
  await vi.waitFor(() => expect(running.health.state).toBe('running'), 5000);
});
