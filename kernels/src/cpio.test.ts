import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { cpio } from './cpio.ts';

test('busybox unpacks what was packed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'retina-cpio-'));
  try {
    const text = (length: number) => Buffer.from('x'.repeat(length));
    const archive = cpio([
      { path: 'bin' },
      { path: 'bin/one', content: text(1), executable: true },
      { path: 'empty', content: text(0) },
      { path: 'four', content: text(4) },
      { path: 'a-longer-name.txt', content: text(1023) },
    ]);
    execFileSync('busybox', ['cpio', '-id'], { cwd: folder, input: archive, stdio: ['pipe', 'ignore', 'ignore'] });
    const sizes = ['bin/one', 'empty', 'four', 'a-longer-name.txt'].map(
      (name) => readFileSync(join(folder, name)).length,
    );
    expect(sizes).toEqual([1, 0, 4, 1023]);
    expect([statSync(join(folder, 'bin/one')).mode & 0o777, statSync(join(folder, 'four')).mode & 0o777]).toEqual([
      0o755, 0o644,
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
