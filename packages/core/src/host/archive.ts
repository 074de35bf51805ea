import { setTimeout as sleep } from 'node:timers/promises';
import { RetinaError, type Logger } from '@retina/sdk';
import type { Config } from '../config/schema.ts';
import type { FlowHistory } from '../flows/history.ts';
import type { FlowNames } from '../flows/json.ts';
import type { FlowPipeline } from '../flows/pipeline.ts';
import { FlowArchive } from '../history/archive.ts';

/** What of the host it keeps. */
export interface ArchiveSource {
  readonly config: Config;
  readonly flows: FlowPipeline;
  readonly history: FlowHistory;
  readonly flowNames: FlowNames;
}

/** The host's flow history on disk, if it is asked for. Where it cannot be had the host runs without, and says so. */
export class HostArchive {
  archive: FlowArchive | undefined;
  private refused: RetinaError | undefined;
  private sink: Disposable | undefined;
  private ended = false;

  get problem(): RetinaError | undefined {
    return this.refused ?? this.archive?.problem;
  }

  /** `lost`: records that could not be kept. */
  async begin(host: ArchiveSource, log: Logger, lost: (records: number) => void): Promise<void> {
    const { config, flows, history, flowNames: names } = host;
    const { disk } = config.flows.history;
    if (!disk) return;
    try {
      const archive = await FlowArchive.open({ ...disk, names, log, lost });
      if (this.ended) return await archive[Symbol.asyncDispose]();
      this.archive = archive;
      // The memory has taken the batch by now.
      this.sink = flows.addSink('flow history', (batch) => archive.append(batch, history.appended - batch.length));
    } catch (error) {
      this.refused = RetinaError.from(error, 'RETINA_SOURCE_UNREACHABLE', 'the flow history cannot be kept on disk');
      log.error(this.refused.message, { code: this.refused.code });
    }
  }

  /** Writes what waits, as far as `ms` milliseconds allow. */
  async end(ms: number): Promise<void> {
    this.ended = true;
    this.sink?.[Symbol.dispose]();
    if (!this.archive) return;
    const late = new AbortController();
    const deadline = sleep(Math.max(0, ms), undefined, { signal: late.signal }).catch(() => undefined);
    await Promise.race([this.archive[Symbol.asyncDispose](), deadline]);
    late.abort();
  }
}
