import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { type Logger, RetinaError } from '@retina/sdk';
import { readIdentityFile } from './file.ts';
import type { EndpointTable } from './table.ts';

/** Above the local host (0): what a file says about an address is what counts. */
const FILE_PRECEDENCE = 10;

export interface FileIdentityOptions {
  readonly table: EndpointTable;
  readonly file: string;
  readonly log?: Logger;
  /** Called with a mistake when a reading failed, and with undefined when one succeeded after it. */
  readonly onState?: (problem: RetinaError | undefined) => void;
  /** Milliseconds between two looks at the file where the watch may have missed a change. Default 5 000. */
  readonly pollMs?: number;
}

/**
 * Endpoints from a file, read again when it changes: edited in place, replaced by rename, or behind a link that moves, as
 * mounted ConfigMaps do. A file with mistakes changes nothing.
 */
export class FileIdentity implements Disposable {
  /** The last reading's mistake. */
  problem: RetinaError | undefined;
  private readonly options: FileIdentityOptions;
  private readonly provider;
  private watcher: FSWatcher | undefined;
  private readonly poll: NodeJS.Timeout;
  private timer: NodeJS.Timeout | undefined;
  private seen = '';
  private reading: Promise<void> = Promise.resolve();
  private closed = false;

  /** Starts to watch. Await {@link reload} for the first reading. */
  constructor(options: FileIdentityOptions) {
    this.options = options;
    this.provider = options.table.provider(FILE_PRECEDENCE);
    this.watch();
    this.poll = setInterval(() => void this.look(), options.pollMs ?? 5_000).unref();
  }

  /** Reads the file now. Never rejects: what is wrong is in {@link problem}. */
  reload(): Promise<void> {
    this.reading = this.reading.then(() => this.read());
    return this.reading;
  }

  [Symbol.dispose](): void {
    this.closed = true;
    clearInterval(this.poll);
    clearTimeout(this.timer);
    this.watcher?.close();
    this.provider.replace([]);
  }

  private async read(): Promise<void> {
    const { file, log, onState } = this.options;
    if (this.closed) return;
    this.seen = await fingerprint(file);
    const before = this.problem;
    try {
      const endpoints = await readIdentityFile(file);
      if (this.closed) return;
      this.provider.replace(endpoints);
      this.problem = undefined;
      log?.info('identity file read', { file, endpoints: endpoints.length });
    } catch (error) {
      this.problem = RetinaError.from(error, 'RETINA_IDENTITY_INVALID', `the identity file ${file} cannot be used`);
      const { code, message } = this.problem;
      log?.error('identity file refused; the endpoints known before stay', { file, code, error: message });
    }
    if (before || this.problem) onState?.(this.problem);
  }

  private watch(): void {
    const { file } = this.options;
    try {
      // The folder, not the file: a rename over the file ends a watch on the file.
      this.watcher = watch(dirname(file), { persistent: false }, (_, name) => {
        if (name === null || name === basename(file) || name.startsWith('..')) this.soon();
      });
      this.watcher.on('error', () => this.watcher?.close());
    } catch {
      this.watcher = undefined; // no such folder yet, or no watches left: the poll sees changes, later
    }
  }

  /** A writer may need several writes. */
  private soon(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => void this.reload(), 50).unref();
  }

  private async look(): Promise<void> {
    if ((await fingerprint(this.options.file)) !== this.seen) await this.reload();
  }
}

async function fingerprint(file: string): Promise<string> {
  try {
    const { ino, mtimeMs, size } = await stat(file);
    return `${ino} ${mtimeMs} ${size}`;
  } catch {
    return 'none';
  }
}
