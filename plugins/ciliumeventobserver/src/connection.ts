import { connect, type Socket } from 'node:net';
import { GobError } from './gob-input.ts';
import type { GobStream } from './gob-stream.ts';

export interface ConnectionEvents {
  /** Connected: a reader for what comes. */
  connected(): GobStream;
  /** The connection ended, or there was none to be had; another attempt follows in `waitMs`. */
  ended(end: ConnectionEnd, waitMs: number): void;
}

export interface ConnectionEnd {
  /** For a metric's label. */
  readonly cause: EndCause;
  /** What was found, for people. */
  readonly found: string;
}

/**
 * `missing`: no socket at the path. `refused`: nobody listens on it. `denied`: no right to it. `closed`: the server closed
 * between messages. `cut`: it closed within one. `protocol`: what it sends cannot be followed. `error`: anything else.
 */
export type EndCause = 'missing' | 'refused' | 'denied' | 'closed' | 'cut' | 'protocol' | 'error';

export interface Backoff {
  readonly firstMs: number;
  readonly maxMs: number;
}

const BY_ERRNO: Readonly<Record<string, EndCause>> = {
  ENOENT: 'missing', ENOTDIR: 'missing', ECONNREFUSED: 'refused', ENOTSOCK: 'refused', EACCES: 'denied', EPERM: 'denied',
}; // prettier-ignore
/** Waits are spread by this much either way, so that a node's agents do not come back in step. */
const JITTER = 0.2;

/** Keeps a connection to a Unix socket, for ever: what ends is tried again, with growing waits until something can be read. */
export class Connection implements AsyncDisposable {
  private readonly path: string;
  private readonly backoff: Backoff;
  private readonly events: ConnectionEvents;
  private socket: Socket | undefined;
  private timer: NodeJS.Timeout | undefined;
  private failures = 0;
  private disposed = false;

  constructor(path: string, backoff: Backoff, events: ConnectionEvents) {
    this.path = path;
    this.backoff = backoff;
    this.events = events;
  }

  /** The first attempt; resolves when it is known how it went. */
  open(): Promise<void> {
    return new Promise((resolve) => this.attempt(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.disposed = true;
    clearTimeout(this.timer);
    const { socket } = this;
    if (!socket || socket.closed) return;
    const closed = new Promise<void>((resolve) => void socket.once('close', () => resolve()));
    socket.destroy();
    await closed;
  }

  private attempt(settled: () => void): void {
    if (this.disposed) return settled();
    let stream: GobStream | undefined;
    let failure: Error | undefined;
    const socket = connect({ path: this.path });
    this.socket = socket;
    socket.once('connect', () => {
      if (this.disposed) return;
      stream = this.events.connected();
      settled();
    });
    socket.on('data', (piece) => {
      if (failure || this.disposed) return;
      try {
        stream!.push(piece);
        this.failures = 0; // it says something that can be read
      } catch (error) {
        failure = error as Error;
        socket.destroy();
      }
    });
    socket.on('error', (error) => (failure ??= error));
    socket.once('close', () => {
      if (!this.disposed) this.again(endOf(failure, stream));
      settled();
    });
  }

  private again(end: ConnectionEnd): void {
    const { firstMs, maxMs } = this.backoff;
    const wait = Math.min(firstMs * 2 ** Math.min(this.failures++, 20), Math.max(firstMs, maxMs));
    const spread = Math.round(wait * (1 - JITTER + 2 * JITTER * Math.random()));
    this.timer = setTimeout(() => this.attempt(() => undefined), spread);
    this.events.ended(end, spread);
  }
}

function endOf(failure: Error | undefined, stream: GobStream | undefined): ConnectionEnd {
  if (failure instanceof GobError) return { cause: 'protocol', found: `${failure.problem}: ${failure.message}` };
  if (failure)
    return { cause: BY_ERRNO[(failure as NodeJS.ErrnoException).code ?? ''] ?? 'error', found: failure.message };
  if (stream?.within) return { cause: 'cut', found: 'the server closed the connection within a message' };
  return { cause: 'closed', found: 'the server closed the connection' };
}
