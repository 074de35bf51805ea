import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { expect, it } from 'vitest';
import { OperatorMetrics } from './metrics.ts';
import { PageServer } from './server.ts';

it.runIf(existsSync('/usr/bin/promtool') || process.env['CI'] === 'true')(
  'is what promtool reads and approves of',
  () => {
    const metrics = new OperatorMetrics('1.0.0 "quoted"\n\\');
    metrics.writes.add(2, 'create');
    metrics.failures.add(1, '409');
    metrics.configurations.set(1, 'Accepted');
    const stop = metrics.reading(() => metrics.pods.set(7));
    const text = metrics.text();
    expect(execFileSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })).toBe('');
    expect(text).toContain('\nretina_operator_pods 7\n');
    expect(text).toContain('\nretina_operator_writes_total{verb="create"} 2\n');
    stop();
    metrics.pods.set(8);
    expect(metrics.text()).toContain('\nretina_operator_pods 8\n');
  },
);

it('serves its pages and nothing else', async () => {
  await using server = await PageServer.listen({ host: '127.0.0.1', port: 0 }, { '/a': () => ({ status: 200, body: 'ä' }) }); // prettier-ignore
  const at = `http://127.0.0.1:${server.port}`;
  expect(await (await fetch(`${at}/a?x`)).text()).toBe('ä');
  expect((await fetch(`${at}/toString`)).status).toBe(404);
  expect((await fetch(`${at}/a`, { method: 'POST' })).status).toBe(405);
  await expect(PageServer.listen({ host: '127.0.0.1', port: server.port }, {})).rejects.toThrow(/free port/);
});
