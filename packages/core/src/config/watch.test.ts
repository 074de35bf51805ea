import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { memoryLogger, plugin, startHost, until } from '../host/testing.ts';
import { ConfigWatcher } from './watch.ts';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'retina-watch-'));
  file = path.join(folder, 'retina.yaml');
});
afterEach(() => rmSync(folder, { recursive: true }));

const yaml = (names: string) => `plugins: {${names}}\nexporters: {}\n`;

test('a changed file is applied, however it changes; one with mistakes is not, and the log names them', async () => {
  const log = memoryLogger();
  const components = ['a', 'b', 'c', 'd'].map((name) => plugin(name, { setup: () => undefined }));
  const byName = Object.fromEntries(components.map((one) => [one.name, one]));
  writeFileSync(file, yaml('a: {}'));
  const host = await startHost([], { yaml: yaml('a: {}'), components: byName });
  const running = () => host.health().components.map(({ name, state }) => `${name} ${state}`);
  const watcher = new ConfigWatcher({
    file,
    log,
    components: byName,
    settleMs: 10,
    onProblem: (problem) => (host.configProblem = problem),
    apply: ({ config }) => host.reconcile(config),
  });
  try {
    await watcher.reload();
    writeFileSync(file, yaml('a: {}, b: {}'));
    await until(() => running().join() === 'a running,b running', 'written in place');

    writeFileSync(`${file}.new`, yaml('c: {}'));
    renameSync(`${file}.new`, file);
    await until(() => running().join() === 'c running', 'replaced by rename');

    writeFileSync(file, 'plugins: {c: {}}\nexporters: {}\nlogLevl: info\nlogLevel: loud');
    await until(() => watcher.problem !== undefined, 'mistakes');
    expect(host.health().problems).toEqual([{ code: 'RETINA_CONFIG_INVALID', message: expect.stringContaining('logLevl') as string }]);
    expect(running()).toEqual(['c running']);
    const line = log.lines.find(({ level }) => level === 'error')!;
    expect(line.fields['problems']).toEqual([expect.stringContaining('retina.yaml:3:1 logLevl'), expect.stringContaining(':4:11 logLevel')]);

    // as a mounted ConfigMap changes: the link moves, the file's own path does not
    for (const [version, name] of [['1', 'a'], ['2', 'd']] as const) writeFileSync(path.join(folder, version), yaml(`${name}: {}`));
    symlinkSync('1', path.join(folder, 'data'));
    rmSync(file);
    symlinkSync('data', file);
    await until(() => running().join() === 'a running', 'a link');
    expect(watcher.problem).toBeUndefined();
    expect(host.health().problems).toEqual([]);
    symlinkSync('2', path.join(folder, 'data.new'));
    renameSync(path.join(folder, 'data.new'), path.join(folder, 'data'));
    await until(() => running().join() === 'd running', 'the link has moved');
  } finally {
    watcher[Symbol.dispose]();
    await host.stop();
  }
}); // prettier-ignore
