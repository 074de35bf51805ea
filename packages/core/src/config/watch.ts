import { watch, type FSWatcher } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { RetinaError, type Logger } from '@retina/sdk';
import { checkConfig, type CheckOptions } from './check.ts';
import type { LoadedConfig } from './load.ts';
import { ConfigError, formatProblem } from './problem.ts';

export interface WatchOptions extends CheckOptions {
  readonly file: string;
  /** The text that is in force: a file that differs from it when the watch begins has changed. Default: what the file holds then. */
  readonly text?: string | undefined;
  readonly log: Logger;
  /** Gets each new valid configuration, one at a time; usually `host.reconcile`. */
  readonly apply: (loaded: LoadedConfig) => Promise<unknown>;
  /** Called after each reading: why the file is not in force, or undefined. */
  readonly onProblem?: (problem: RetinaError | undefined) => void;
  /** Milliseconds without a further change before the file is read. Default 200. */
  readonly settleMs?: number;
  /** Milliseconds between two looks at the file where the watch may miss a change. Default 5 000. */
  readonly pollMs?: number;
}

/**
 * Reads the configuration again when its file changes: written in place, replaced by rename, or behind a link that moves,
 * as a mounted ConfigMap does. What has mistakes changes nothing, and the log names each of them.
 */
export class ConfigWatcher implements Disposable {
  /** The last reading's error; undefined while the file and the running configuration agree. */
  problem: RetinaError | undefined;
  private readonly options: WatchOptions;
  private readonly poll: NodeJS.Timeout;
  private watcher: FSWatcher | undefined;
  private timer: NodeJS.Timeout | undefined;
  private seen: string | undefined;
  private pendingSince: number | undefined;
  private work: Promise<void>;
  private closed = false;

  constructor(options: WatchOptions) {
    this.options = options;
    this.seen = options.text;
    this.work = options.text === undefined ? this.text().then((text) => void (this.seen = text)) : Promise.resolve();
    this.look();
    this.poll = setInterval(() => this.look(), options.pollMs ?? 5000).unref();
    try {
      // The folder, not the file: a rename or a moved link replaces what a watch on the file would look at.
      this.watcher = watch(path.dirname(options.file), { persistent: false }, () => this.look());
      this.watcher.on('error', () => this.watcher?.close());
    } catch (error) {
      options.log.debug('the folder of the configuration cannot be watched; it is read now and then', {
        error: String(error),
      });
    }
  }

  /** Reads and applies the file now, changed or not (SIGHUP). Never rejects. */
  reload(): Promise<void> {
    return (this.work = this.work.then(() => this.read(true)));
  }

  [Symbol.dispose](): void {
    this.closed = true;
    clearInterval(this.poll);
    clearTimeout(this.timer);
    this.watcher?.close();
  }

  /** Reads once nothing has happened for a while; in a folder where something always happens, after some such whiles. */
  private look(): void {
    const settle = this.options.settleMs ?? 200;
    const now = Date.now();
    this.pendingSince ??= now;
    clearTimeout(this.timer);
    const wait = Math.max(0, Math.min(settle, this.pendingSince + 5 * settle - now));
    this.timer = setTimeout(() => {
      this.pendingSince = undefined;
      this.work = this.work.then(() => this.read(false));
    }, wait);
  }

  private async read(always: boolean): Promise<void> {
    const { file, log, apply } = this.options;
    const text = await this.text();
    if (this.closed || (text === this.seen && !always)) return;
    this.seen = text;
    try {
      const loaded = await checkConfig({ file }, this.options);
      for (const warning of loaded.warnings) log.warn(formatProblem(warning, file).trim());
      if (this.closed) return;
      await apply(loaded);
      this.problem = undefined;
    } catch (error) {
      this.problem = RetinaError.from(error, 'RETINA_CONFIG_INVALID', `the configuration ${file} cannot be applied`);
      const problems = error instanceof ConfigError ? error.problems.map((one) => formatProblem(one, file).trim()) : [];
      log.error('the changed configuration is not applied; the one before goes on', {
        code: this.problem.code,
        ...(problems.length ? { problems } : { cause: this.problem.message }),
      });
    }
    this.options.onProblem?.(this.problem);
  }

  private async text(): Promise<string | undefined> {
    try {
      return await readFile(this.options.file, 'utf8');
    } catch {
      return undefined;
    }
  }
}
