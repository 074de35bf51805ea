import { once } from 'node:events';
import type { Writable } from 'node:stream';

/** Records a slow follower may be behind; what comes beyond is counted and told, not kept. */
const FOLLOW_QUEUE = 4096;
/** Lines written at a time, so that nobody holds the event loop. */
export const CHUNK = 256;

/** A bounded history, and what comes after it. */
export interface LineSource {
  /** What is there at the time of the request, oldest first, in chunks of at most {@link CHUNK}; an empty one asks whether to go on. */
  history(): Iterable<readonly object[]> | AsyncIterable<readonly object[]>;
  /** Calls back with each later one until disposed of; absent: the answer ends with the history. */
  readonly follow?: (listener: (line: object) => void) => Disposable;
}

/**
 * Writes records as JSON lines, as fast as the reader takes them. A follower that falls behind gets `{"lost": N}` in the
 * place of N records; it delays nobody else.
 */
export async function followLines(source: LineSource, out: Writable): Promise<void> {
  const queue: object[] = [];
  let lost = 0;
  let wake: (() => void) | undefined;
  // Subscribed before the history goes out, so that nothing falls between the two.
  using _subscription = source.follow?.((line) => {
    if (queue.length >= FOLLOW_QUEUE) lost++;
    else queue.push(line);
    wake?.();
  });
  const ended = new Promise<void>((resolve) => out.once('close', resolve));
  const gone = () => out.destroyed || out.writableEnded;

  for await (const chunk of source.history()) {
    if (gone()) return;
    await writeChunk(out, chunk, ended);
  }
  while (source.follow && !gone()) {
    if (queue.length === 0 && lost === 0) {
      await Promise.race([new Promise<void>((resolve) => (wake = resolve)), ended]);
      wake = undefined;
      continue;
    }
    const lines = queue.splice(0, CHUNK);
    if (queue.length === 0 && lost > 0) {
      lines.push({ lost });
      lost = 0;
    }
    await writeChunk(out, lines, ended);
  }
  if (!gone()) out.end();
}

async function writeChunk(out: Writable, lines: readonly object[], ended: Promise<void>): Promise<void> {
  if (lines.length === 0) return;
  const text = lines.map((line) => JSON.stringify(line) + '\n').join('');
  if (out.write(text)) await new Promise<void>((resolve) => setImmediate(resolve));
  else await Promise.race([once(out, 'drain'), ended]);
}
