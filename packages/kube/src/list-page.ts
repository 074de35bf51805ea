import type { IncomingMessage } from 'node:http';
import { KubeError } from './kube-error.ts';
import { ListScanner } from './list-scanner.ts';
import { unreachable } from './refusal.ts';
import { turns } from './slice.ts';

/** Twice what etcd stores at most, and then some. */
export const MAX_OBJECT_BYTES = 8 << 20;

export interface PageEnd {
  readonly resourceVersion: string;
  /** Token of the next page; `''` at the end. */
  readonly continue: string;
}

/** The objects of one page, parsed one at a time; other work goes on in between. */
export async function* listPage<T>(
  response: IncomingMessage,
  what: string,
  server: string,
  onBytes?: (count: number) => void,
): AsyncGenerator<T, PageEnd, void> {
  const scanner = new ListScanner(MAX_OBJECT_BYTES);
  let whole = false;
  try {
    for await (const piece of response as AsyncIterable<Buffer>) {
      onBytes?.(piece.length);
      for (const text of scanner.push(piece)) {
        yield checked(JSON.parse(text)) as T;
        if (turns.over) await turns.pause();
      }
    }
    whole = true;
    const { metadata = {} } = scanner.end();
    return { resourceVersion: metadata.resourceVersion ?? '', continue: metadata.continue ?? '' };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) throw malformed(what, error);
    throw unreachable(what, server, error);
  } finally {
    if (!whole) response.destroy();
  }
}

/** An object as every one in the API is: with metadata. Throws SyntaxError. */
export function checked(object: unknown): unknown {
  const { metadata } = (typeof object === 'object' && object !== null ? object : {}) as { metadata?: unknown };
  if (typeof metadata === 'object' && metadata !== null) return object;
  throw new SyntaxError(`no metadata in ${JSON.stringify(object).slice(0, 80)}`);
}

/** Bytes that are no answer of an API server. */
export function malformed(what: string, error: Error): KubeError {
  return new KubeError('RETINA_KUBE_UNREACHABLE', `What the API server sent to ${what} cannot be read`, {
    found: error.message,
    next: 'check that the address is that of a Kubernetes API server, and what is between',
    reason: error instanceof RangeError ? 'TooLarge' : 'Malformed',
    retryable: true,
    cause: error,
  });
}
