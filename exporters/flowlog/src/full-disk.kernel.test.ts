import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from '@retina/testkit';
import { describe, expect, it } from 'vitest';
import { folder } from '../test/log.ts';

const FILE = fileURLToPath(new URL('rotating-file.ts', import.meta.url));

/** Runs in a mount namespace of its own, where `disk` holds 64 KiB. */
const PROGRAM = `
import { copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { RotatingFile } from ${JSON.stringify(FILE)};
const log = { debug() {}, info() {}, warn() {}, error() {} };
const file = await RotatingFile.open({ path: 'disk/flows.jsonl', maxFileBytes: 1e9, maxFiles: 1, compress: false, log });
writeFileSync('disk/ballast', Buffer.alloc(16384));
const lines = (n) => Buffer.from(Array.from({ length: 500 }, (_, i) => String(500 * n + i).padStart(11, '0') + '\\n').join(''));
let [written, refused] = [0, 0];
for (let n = 0; written < 12; n++) {
  try {
    await file.write(lines(written));
    written++;
  } catch (error) {
    refused++;
    if (error.code !== 'RETINA_EXPORT_RETRY' || !error.found.includes('the disk is full')) throw error;
    copyFileSync('disk/flows.jsonl', 'when-full');
    if (refused === 3) rmSync('disk/ballast');
    if (refused > 3) break;
  }
}
await file[Symbol.asyncDispose]();
copyFileSync('disk/flows.jsonl', 'at-the-end');
console.log(JSON.stringify({ written, refused }));
`;

describe.runIf(process.getuid?.() === 0 || process.env['CI'] === 'true')('a disk that is full', () => {
  it('takes whole lines only, and every line once when there is room again', async () => {
    using where = folder();
    mkdirSync(join(where.path, 'disk'));
    const inside = 'mount -t tmpfs -o size=64k none disk && shift && exec "$0" "$@"';
    const node = [process.execPath, 'node', '--conditions=@retina/source', '--input-type=module', '-e', PROGRAM];
    const { stdout } = await run('unshare', ['-m', 'sh', '-c', inside, ...node], { cwd: where.path });
    const { written, refused } = JSON.parse(stdout) as { written: number; refused: number };
    expect(refused).toBeGreaterThanOrEqual(3);
    const numbers = (name: string) => readFileSync(join(where.path, name), 'utf8').trimEnd().split('\n').map(Number); // prettier-ignore
    const upTo = (n: number) => Array.from({ length: n }, (_, i) => i);
    const full = numbers('when-full');
    expect(full.length % 500).toBe(0);
    expect(numbers('at-the-end')).toEqual(upTo(500 * written));
    expect(written * 500).toBeGreaterThan(full.length - 1);
  });
});
