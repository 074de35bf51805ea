import { type Counter, type Logger, RetinaError } from '@retina/sdk';
import { type Cause, ReadError } from './proc.ts';

/** Counts what could not be read, and says each kind once: every interval would say it anew. */
export class Problems {
  private readonly told = new Set<string>();
  private readonly counter: Counter<[number, number]>;
  private readonly label: (text: string) => number;
  private readonly log: Logger;

  constructor(counter: Counter<[number, number]>, label: (text: string) => number, log: Logger) {
    this.counter = counter;
    this.label = label;
    this.log = log;
  }

  add(source: string, cause: Cause, message: string, count = 1): void {
    this.counter.add(count, this.label(source), this.label(cause));
    const kind = `${source}/${cause}`;
    if (this.told.has(kind)) return;
    this.told.add(kind);
    this.log.warn('a reading gave nothing, or not all', { source, cause, problem: message });
  }

  caught(source: string, error: unknown): void {
    this.add(source, causeOf(error), error instanceof Error ? error.message : String(error));
  }
}

/** What is no ReadError came from netlink. Interfaces come and go while they are asked. */
function causeOf(error: unknown): Cause {
  if (error instanceof ReadError) return error.failure;
  return error instanceof RetinaError && error.found?.includes('ENODEV') ? 'vanished' : 'failed';
}
