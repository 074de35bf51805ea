import { open, stat, type FileHandle } from 'node:fs/promises';
import { RetinaError, type Logger } from '@retina/sdk';
import { Archive, type ArchiveOptions } from './archive.ts';
import type { Target } from './target.ts';

export interface RotatingFileOptions extends ArchiveOptions {
  readonly log: Logger;
}

/** How often it is looked whether somebody moved or removed the file. */
const LOOK_MS = 1000;
/** Of the end of a file, read to find a line an earlier agent did not finish. */
const TAIL = 1024 * 1024;

/**
 * A file that is appended to whole lines at a time. What cannot be written whole is taken back, so that no line is ever half there; the
 * file is opened afresh after every failure.
 */
export class RotatingFile implements Target, AsyncDisposable {
  private readonly options: RotatingFileOptions;
  private readonly archive: Archive;
  private file: FileHandle | undefined;
  private size = 0;
  private lookAgain = 0;
  private working: Promise<unknown> = Promise.resolve();

  /** Throws RETINA_EXPORT_FAILED where the file cannot be opened. */
  static async open(options: RotatingFileOptions): Promise<RotatingFile> {
    const file = new RotatingFile(options);
    try {
      await file.archive.begin();
      await file.opened();
    } catch (error) {
      await file[Symbol.asyncDispose]();
      throw new RetinaError('RETINA_EXPORT_FAILED', `the flow log ${options.path} cannot be opened`, {
        found: (error as Error).message,
        next: 'name a file in a folder this process may write to, or leave exporters.flowlog.path out for standard output',
        retryable: true,
        cause: error,
      });
    }
    return file;
  }

  private constructor(options: RotatingFileOptions) {
    this.options = options;
    this.archive = new Archive(options, options.log);
  }

  async write(lines: Uint8Array): Promise<number> {
    const work = this.append(lines);
    this.working = work.catch(() => undefined);
    try {
      await work;
    } catch (error) {
      await this.close();
      throw this.failure(error as NodeJS.ErrnoException);
    }
    return lines.length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.working;
    await this.close();
    await this.archive[Symbol.asyncDispose]();
  }

  private async append(lines: Uint8Array): Promise<void> {
    let file = await this.opened();
    if (this.size > 0 && this.size + lines.length > this.options.maxFileBytes) {
      await this.close();
      await this.archive.put();
      file = await this.opened();
    }
    let at = 0;
    try {
      while (at < lines.length) at += (await file.write(lines, at)).bytesWritten;
    } catch (error) {
      // Lines are given again: what is there of them must go. What is no regular file has nothing to take back.
      await file.truncate(this.size).catch(() => undefined);
      throw error;
    }
    this.size += lines.length;
  }

  private async opened(): Promise<FileHandle> {
    const { path, log } = this.options;
    if (this.file && Date.now() - this.lookAgain >= 0 && Date.now() - this.lookAgain < LOOK_MS) return this.file;
    this.lookAgain = Date.now();
    if (this.file) {
      const [here, there] = [await this.file.stat(), await stat(path).catch(() => undefined)];
      if (there && here.ino === there.ino && here.dev === there.dev) return this.file;
      await this.close();
    }
    const file = await open(path, 'a+', 0o640);
    this.file = file;
    const { size } = await file.stat();
    this.size = await wholeLines(file, size);
    if (this.size === size) return file;
    await file.truncate(this.size);
    log.warn('the flow log ended in the middle of a line; what was there of it is removed', {
      bytes: size - this.size,
    });
    return file;
  }

  private async close(): Promise<void> {
    const file = this.file;
    this.file = undefined;
    await file?.close().catch(() => undefined);
  }

  private failure(error: NodeJS.ErrnoException): RetinaError {
    const full = error.code === 'ENOSPC' || error.code === 'EDQUOT';
    return new RetinaError('RETINA_EXPORT_RETRY', `the flow log ${this.options.path} cannot be written`, {
      found: full ? `${error.code}, the disk is full` : error.message,
      next: full ? 'free space, or set exporters.flowlog.maxTotalBytes lower' : 'see to its folder and the rights of this process',
      retryable: true,
      cause: error,
    }); // prettier-ignore
  }
}

/** Bytes of a file up to its last line feed. */
async function wholeLines(file: FileHandle, size: number): Promise<number> {
  if (size === 0) return 0;
  const tail = Buffer.alloc(Math.min(size, TAIL));
  const { bytesRead } = await file.read(tail, 0, tail.length, size - tail.length);
  const at = tail.subarray(0, bytesRead).lastIndexOf(0x0a);
  // Without any in so much of it, it is no log of lines: it is left alone.
  return at < 0 && size > TAIL ? size : size - tail.length + at + 1;
}
