import type { BpfHandle, RecordBatch } from '@retina/sdk';
import { setImmediate } from 'node:timers/promises';
import type { apiOpenedLayout } from './apiserverlatency.gen.ts';

const MAP = 'api_connections';
/** Longer than a client waits between two repetitions: after it nothing will come. */
const IDLE_NS = 130e9;
/** Looked after in one turn of the event loop: about a millisecond. */
const PER_TURN = 500;

interface Connection {
  readonly key: Uint8Array;
  /** When the request began that was counted as not answered last. */
  counted: number;
}

/** Connections the kernel keeps: which requests were not answered, and which connections are no more. */
export class Connections {
  private readonly object: BpfHandle;
  private readonly limit: number;
  private readonly timeoutNs: number;
  private readonly known = new Map<string, Connection>();

  /** `limit`: most the kernel keeps. */
  constructor(object: BpfHandle, limit: number, timeoutNs: number) {
    this.object = object;
    this.limit = limit;
    this.timeoutNs = timeoutNs;
  }

  get size(): number {
    return this.known.size;
  }

  /** Takes the connections that have opened. Returns how many there was no room for: the kernel forgets them, too. */
  add({ length, layout, buffer }: RecordBatch<typeof apiOpenedLayout>): number {
    let refused = 0;
    for (let row = 0; row < length; row++) {
      const key = buffer.slice(row * layout.stride, (row + 1) * layout.stride);
      const text = Buffer.from(key).toString('latin1');
      if (this.known.has(text)) continue; // closed and opened again between two sweeps
      if (this.known.size < 2 * this.limit) {
        this.known.set(text, { key, counted: 0 });
      } else {
        refused++;
        this.object.remove(MAP, key);
      }
    }
    return refused;
  }

  /** Looks at every connection. Returns how many requests turned out not to be answered. */
  async sweep(signal: AbortSignal): Promise<number> {
    let unanswered = 0;
    let turn = 0;
    for (const [text, connection] of this.known) {
      if (++turn % PER_TURN === 0) await setImmediate();
      if (signal.aborted) break;
      const value = this.object.lookup(MAP, connection.key);
      if (!value) {
        this.known.delete(text); // closed
        continue;
      }
      const now = Number(process.hrtime.bigint());
      const [since, seen] = [nanos(value, 0), nanos(value, 8)];
      if (since > 0 && now - since > this.timeoutNs && since !== connection.counted) {
        connection.counted = since;
        unanswered++;
      }
      if (now - seen > Math.max(IDLE_NS, 2 * this.timeoutNs)) {
        this.object.remove(MAP, connection.key);
        this.known.delete(text);
      }
    }
    return unanswered;
  }
}

function nanos(value: Uint8Array, at: number): number {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  return view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
}
