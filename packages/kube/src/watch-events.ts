import type { IncomingMessage } from 'node:http';
import { checked, malformed, MAX_OBJECT_BYTES } from './list-page.ts';
import { unreachable } from './refusal.ts';
import { turns } from './slice.ts';

const NEWLINE = 10;

/** One line of a watch. */
export interface WatchEvent {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  /** The object; of an ERROR a `metav1.Status`. */
  readonly object: unknown;
}

/** The events of a watch until the server ends it, however they are cut into pieces. */
export async function* watchEvents(
  response: IncomingMessage,
  what: string,
  server: string,
  onBytes: (count: number) => void,
): AsyncGenerator<WatchEvent, void, void> {
  let begun: Buffer[] = [];
  let begunBytes = 0;
  try {
    for await (const piece of response as AsyncIterable<Buffer>) {
      onBytes(piece.length);
      let start = 0;
      for (let end = piece.indexOf(NEWLINE); end >= 0; end = piece.indexOf(NEWLINE, start)) {
        const line = begun.length ? Buffer.concat([...begun, piece.subarray(start, end)]) : piece.subarray(start, end);
        [begun, begunBytes, start] = [[], 0, end + 1];
        if (line.length > 0) yield parse(line);
        if (turns.over) await turns.pause();
      }
      if (start === piece.length) continue;
      begun.push(piece.subarray(start));
      begunBytes += piece.length - start;
      if (begunBytes > MAX_OBJECT_BYTES) throw new RangeError(`an event is longer than ${MAX_OBJECT_BYTES} bytes`);
    }
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) throw malformed(what, error);
    throw unreachable(what, server, error);
  } finally {
    response.destroy();
  }
}

function parse(line: Buffer): WatchEvent {
  const event = JSON.parse(line.toString('utf8')) as Partial<WatchEvent> | null;
  if (typeof event?.type !== 'string' || typeof event.object !== 'object' || event.object === null) {
    throw new SyntaxError(`not an event: ${line.toString('utf8', 0, 80)}`);
  }
  if (event.type !== 'ERROR') checked(event.object);
  return event as WatchEvent;
}
