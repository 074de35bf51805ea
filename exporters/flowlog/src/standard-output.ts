import { close, constants, fstatSync, openSync, write } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { RetinaError } from '@retina/sdk';
import type { Target } from './target.ts';

const writeSome = promisify(write);
/** Wait for a reader that has fallen behind, in milliseconds. */
const FULL_MS = 10;

/**
 * Standard output. A pipe is opened once more, not to block: a reader that stops costs lines, which the host counts, and stops nothing
 * else. What is none is written to as it is.
 */
export class StandardOutput implements Target, Disposable {
  private readonly fd: number;
  private readonly owned: boolean;
  private rest: Uint8Array = new Uint8Array(0);

  /** `fd` for tests. Throws RETINA_EXPORT_RETRY where a pipe has no reader. */
  constructor(fd = 1) {
    this.owned = fstatSync(fd).isFIFO();
    try {
      this.fd = this.owned ? openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK) : fd;
    } catch (error) {
      throw closed((error as NodeJS.ErrnoException).code, error); // ENXIO: nobody reads
    }
  }

  async write(lines: Uint8Array, signal: AbortSignal): Promise<number> {
    const left = await this.push(this.rest, signal);
    this.rest = this.rest.subarray(this.rest.length - left);
    if (left > 0) return 0;
    const missing = await this.push(lines, signal);
    const written = lines.length - missing;
    if (missing > 0 && written > 0 && lines[written - 1] !== 0x0a) {
      this.rest = Uint8Array.from(lines.subarray(written, lines.indexOf(0x0a, written) + 1)); // a copy, also of a Buffer
    }
    return written;
  }

  [Symbol.dispose](): void {
    if (this.owned) close(this.fd);
  }

  /** Bytes that are not written when the signal is aborted. */
  private async push(bytes: Uint8Array, signal: AbortSignal): Promise<number> {
    let at = 0;
    while (at < bytes.length && !signal.aborted) {
      try {
        at += (await writeSome(this.fd, bytes, at, bytes.length - at)).bytesWritten;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EAGAIN') await sleep(FULL_MS);
        else if (at > 0) return bytes.length - at;
        else throw closed(code, error);
      }
    }
    return bytes.length - at;
  }
}

function closed(code: string | undefined, cause: unknown): RetinaError {
  return new RetinaError('RETINA_EXPORT_RETRY', 'standard output cannot be written to', {
    found: code ?? String(cause),
    next: code === 'EPIPE' || code === 'ENXIO' ? 'start the agent with a reader that stays, or set exporters.flowlog.path' : 'see where standard output leads',
    retryable: true,
    cause,
  }); // prettier-ignore
}
