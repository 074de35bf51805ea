import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { Logger } from '@retina/sdk';

export interface ArchiveOptions {
  readonly path: string;
  readonly maxFileBytes: number;
  readonly maxFiles: number;
  readonly maxTotalBytes?: number | undefined;
  readonly compress: boolean;
}

interface Kept {
  readonly number: number;
  readonly file: string;
  readonly size: number;
}

/**
 * Files put aside: `PATH.1` is the newest. Numbers, not times, tell their age, so that a clock may jump. Compression is done beside the
 * writing, of one file at a time, under another name until it is whole.
 */
export class Archive implements AsyncDisposable {
  private readonly options: ArchiveOptions;
  private readonly log: Logger;
  private compressing: Promise<void> | undefined;
  private readonly ended = new AbortController();

  constructor(options: ArchiveOptions, log: Logger) {
    this.options = options;
    this.log = log;
  }

  /** Makes the folder and clears up what an earlier agent left unfinished. */
  async begin(): Promise<void> {
    const folder = dirname(this.options.path);
    await makeFolder(folder);
    await rm(`${this.options.path}.gz.part`, { force: true });
    await this.prune();
    this.compressOldest();
  }

  /** Puts the file aside. */
  async put(): Promise<void> {
    await this.compressing;
    const { path, maxFiles } = this.options;
    if (maxFiles === 0) return rm(path, { force: true });
    for (const { number, file } of (await this.list()).reverse()) {
      await rename(join(dirname(path), file), `${path}.${number + 1}${file.endsWith('.gz') ? '.gz' : ''}`);
    }
    await rename(path, `${path}.1`);
    await this.prune();
    this.compressOldest();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.ended.abort();
    await this.compressing;
  }

  /** Newest first. */
  private async list(): Promise<Kept[]> {
    const { path } = this.options;
    const name = basename(path);
    const kept: Kept[] = [];
    for (const file of await readdir(dirname(path))) {
      const number = file.startsWith(`${name}.`) ? /^(\d{1,9})(\.gz)?$/.exec(file.slice(name.length + 1)) : null;
      if (!number) continue;
      const found = await stat(join(dirname(path), file)).catch(() => undefined);
      if (found) kept.push({ number: Number(number[1]), file, size: found.size });
    }
    return kept.sort((a, b) => a.number - b.number);
  }

  /** Removes what is more than may be kept, the oldest first; the space the next file needs counts as taken. */
  private async prune(): Promise<void> {
    const { path, maxFiles, maxFileBytes, maxTotalBytes = Infinity, compress } = this.options;
    let room = maxTotalBytes - maxFileBytes * (compress ? 2 : 1);
    for (const [i, { file, size }] of (await this.list()).entries()) {
      room -= compress && !file.endsWith('.gz') && i === 0 ? 0 : size;
      if (i < maxFiles && room >= 0) continue;
      await rm(join(dirname(path), file), { force: true });
    }
  }

  private compressOldest(): void {
    if (!this.options.compress) return;
    this.compressing = this.compress()
      .catch((error: unknown) => {
        if (!this.ended.signal.aborted) this.log.warn('a flow log could not be compressed and stays as it is', { error: String(error) });
      })
      .finally(() => (this.compressing = undefined)); // prettier-ignore
  }

  private async compress(): Promise<void> {
    const { path } = this.options;
    const part = `${path}.gz.part`;
    for (const { file } of (await this.list()).reverse()) {
      if (file.endsWith('.gz')) continue;
      const from = join(dirname(path), file);
      try {
        const { signal } = this.ended;
        await pipeline(createReadStream(from, { signal }), createGzip({ level: 6 }), createWriteStream(part, { mode: 0o640 }), { signal }); // prettier-ignore
        await rename(part, `${from}.gz`);
        await rm(from, { force: true });
      } catch (error) {
        await rm(part, { force: true });
        throw error;
      }
    }
  }
}

/** Makes a folder and those above it. (`recursive: true` would try for ever in a file system that takes no folders, such as /proc.) */
async function makeFolder(path: string): Promise<void> {
  const make = () => mkdir(path, { mode: 0o750 });
  try {
    await make();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await make();
  }
}
