import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningPlugin } from '@retina/testkit';

/** What a monitor socket sent, one stream: see test/record. */
export const STREAM: Uint8Array = readFileSync(new URL('../fixtures/cilium.gob', import.meta.url));

type FlowJson = RunningPlugin['flows'][number];

/** An event of {@link STREAM}, in order, and what Cilium's own parser made of it. */
export interface Recorded {
  readonly what: string;
  readonly flow?: Omit<Partial<FlowJson>, 'verdict'> & {
    readonly verdict?: string;
    readonly event_type: { readonly type: number };
    readonly l7?: { readonly dns?: Readonly<Record<string, unknown>> };
  };
  readonly error?: string;
}

export const RECORDED: readonly Recorded[] = readFileSync(new URL('../fixtures/cilium.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Recorded);

/** A server of the monitor protocol on a socket of its own: a gob stream to whoever connects, from its beginning. */
export class Monitor implements AsyncDisposable {
  readonly path: string;
  /** Connections so far. */
  connections = 0;
  private readonly folder = mkdtempSync(join(tmpdir(), 'monitor-'));
  private readonly open = new Set<Socket>();
  private server: Server | undefined;

  constructor() {
    this.path = join(this.folder, 'monitor1_2.sock');
  }

  async listen(): Promise<void> {
    const server = createServer((socket) => {
      this.connections++;
      this.open.add(socket);
      socket.on('error', () => undefined).on('close', () => this.open.delete(socket));
      socket.resume();
    });
    await new Promise<void>((resolve) => void server.listen(this.path, resolve));
    this.server = server;
  }

  /** To everyone connected; resolves when the kernel has it. */
  async send(...pieces: readonly Uint8Array[]): Promise<void> {
    for (const socket of this.open) {
      for (const piece of pieces) await new Promise<void>((resolve) => void socket.write(piece, () => resolve()));
    }
  }

  /** Closes every connection, but goes on listening. */
  hangUp(): void {
    for (const socket of this.open) socket.end();
  }

  /** No longer there: connections closed, socket gone. */
  async close(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (!server) return;
    const closed = new Promise<void>((resolve) => void server.close(() => resolve()));
    for (const socket of this.open) socket.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    rmSync(this.folder, { recursive: true });
  }
}

/** Waits for what must come true. */
export async function until(what: string, isTrue: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(`Waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
