import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { folder, quiet } from '../test/log.ts';
import { RotatingFile, type RotatingFileOptions } from './rotating-file.ts';

const open = (path: string, more: Partial<RotatingFileOptions> = {}) =>
  RotatingFile.open({ path, maxFileBytes: 4096, maxFiles: 3, compress: false, log: quiet, ...more });
const lines = (from: number, count: number) =>
  Buffer.from(Array.from({ length: count }, (_, i) => `${String(from + i).padStart(9, '0')}\n`).join(''));
const numbers = (text: string) => text.trimEnd().split('\n').map(Number);

describe('RotatingFile', () => {
  it('puts full files aside, keeps as many as asked for, and loses nothing in those', async () => {
    using where = folder();
    const path = join(where.path, 'deep', 'flows.jsonl');
    {
      await using file = await open(path);
      for (let n = 0; n < 2000; n += 50) await file.write(lines(n, 50));
    }
    const names = readdirSync(join(where.path, 'deep')).sort();
    expect(names).toEqual(['flows.jsonl', 'flows.jsonl.1', 'flows.jsonl.2', 'flows.jsonl.3']);
    const all = ['.3', '.2', '.1', ''].flatMap((end) => numbers(readFileSync(path + end, 'utf8')));
    expect(all.at(-1)).toBe(1999);
    expect(all).toEqual(Array.from({ length: all.length }, (_, i) => 2000 - all.length + i));
    for (const name of names) expect(statSync(join(where.path, 'deep', name)).size).toBeLessThanOrEqual(4096);
    expect(statSync(path).mode & 0o777).toBe(0o640);
  });

  it('compresses what is put aside, also what an earlier agent left, within the disk budget', async () => {
    using where = folder();
    const path = join(where.path, 'flows.jsonl');
    writeFileSync(`${path}.1`, lines(0, 400));
    writeFileSync(`${path}.gz.part`, 'half');
    writeFileSync(`${path}.7z`, 'not ours');
    {
      await using file = await open(path, { compress: true, maxFiles: 100, maxTotalBytes: 12_000 });
      for (let n = 400; n < 20_000; n += 100) await file.write(lines(n, 100));
      await vi.waitFor(() => expect(existsSync(`${path}.1.gz`)).toBe(true));
    }
    const names = readdirSync(where.path);
    expect(names).not.toContain('flows.jsonl.gz.part');
    expect(names).toContain('flows.jsonl.7z');
    const ours = names.filter((name) => !name.endsWith('7z'));
    expect(ours.reduce((sum, name) => sum + statSync(join(where.path, name)).size, 0)).toBeLessThanOrEqual(12_000);
    expect(ours.length).toBeGreaterThan(3);
    const [first] = numbers(readFileSync(path, 'utf8'));
    expect(numbers(gunzipSync(readFileSync(`${path}.1.gz`)).toString()).at(-1)).toBe(first! - 1);
  });

  it('removes a line that an earlier agent did not finish', async () => {
    using where = folder();
    const path = join(where.path, 'flows.jsonl');
    writeFileSync(path, '1\n2\n{"flow":{"ti');
    await using file = await open(path);
    await file.write(Buffer.from('3\n'));
    expect(readFileSync(path, 'utf8')).toBe('1\n2\n3\n');
  });

  it('says that the disk is full, and goes on when there is room', async () => {
    using where = folder();
    const path = join(where.path, 'flows.jsonl');
    symlinkSync('/dev/full', path);
    await using file = await open(path);
    await expect(file.write(Buffer.from('1\n'))).rejects.toMatchObject({ code: 'RETINA_EXPORT_RETRY', retryable: true, found: expect.stringContaining('ENOSPC') as string }); // prettier-ignore
    unlinkSync(path);
    await file.write(Buffer.from('1\n'));
    expect(readFileSync(path, 'utf8')).toBe('1\n');
  });

  it('notices that somebody moved or removed the file', async () => {
    using where = folder();
    const path = join(where.path, 'flows.jsonl');
    await using file = await open(path);
    await file.write(Buffer.from('1\n'));
    renameSync(path, `${path}.moved`);
    await sleep(1100);
    await file.write(Buffer.from('2\n'));
    rmSync(path);
    appendFileSync(path, '3\n');
    await sleep(1100);
    await file.write(Buffer.from('4\n'));
    expect([readFileSync(`${path}.moved`, 'utf8'), readFileSync(path, 'utf8')]).toEqual(['1\n', '3\n4\n']);
  });
});
