import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { folder, never } from '../test/log.ts';
import { StandardOutput } from './standard-output.ts';

it('writes to a pipe as fast as it is read, and never waits longer than it may', async () => {
  using where = folder();
  const fifo = join(where.path, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const [reader, writer] = [
    openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK),
    openSync(fifo, constants.O_WRONLY),
  ];
  const lines = (first: number) => Buffer.from(Array.from({ length: 30_000 }, (_, i) => `${String(first + i).padStart(6, '0')}\n`).join('')); // prettier-ignore
  const buffer = Buffer.alloc(1 << 20);
  let text = '';
  const drain = () => {
    try {
      text += buffer.toString('latin1', 0, readSync(reader, buffer));
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('EAGAIN');
    }
  };
  {
    using output = new StandardOutput(writer);
    const first = lines(0);
    const written = await output.write(first, AbortSignal.timeout(30)); // nobody reads: as much as the pipe holds
    first.fill('x'); // the memory is its owner's again
    expect(written).toBeGreaterThan(0);
    expect(written).toBeLessThan(210_000);
    const begun = Math.ceil(written / 7);
    expect(await output.write(lines(begun), AbortSignal.timeout(30))).toBe(0);
    const timer = setInterval(drain, 1);
    expect(await output.write(lines(begun), never)).toBe(210_000);
    clearInterval(timer);
    drain();
    expect(text.trimEnd().split('\n').map(Number)).toEqual(Array.from({ length: begun + 30_000 }, (_, n) => n)); // prettier-ignore
  }
  using broken = new StandardOutput(writer);
  closeSync(reader);
  expect(() => new StandardOutput(writer)).toThrow('ENXIO');
  await expect(broken.write(lines(0), never)).rejects.toMatchObject({ code: 'RETINA_EXPORT_RETRY', found: 'EPIPE' });
  closeSync(writer);
});

it('appends to a file it is redirected to', async () => {
  using where = folder();
  const fd = openSync(join(where.path, 'out'), 'w');
  using output = new StandardOutput(fd);
  for (const text of ['1\n', '2\n']) await output.write(Buffer.from(text), never);
  closeSync(fd);
  expect(readFileSync(join(where.path, 'out'), 'utf8')).toBe('1\n2\n');
});
