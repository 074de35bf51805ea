import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

/**
 * How a receiver treats what comes: takes it; refuses it for good; is too busy at first; fails now and then, before or after it has
 * read everything; never answers.
 */
export type Behaviour = 'accept' | 'refuse' | 'busy' | 'flaky' | 'hang';
export const BEHAVIOURS: readonly Behaviour[] = ['accept', 'refuse', 'busy', 'flaky', 'hang'];

/** What an exporter delivers to in the rules about loss: a real server, or whatever stands at the other end. */
export interface ContractReceiver extends AsyncDisposable {
  /** Options of the exporter that lead here. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Those it can play. Default: all. */
  readonly behaviours?: readonly Behaviour[];
  behave(how: Behaviour): void;
  /** Flow records, or series as {@link seriesIn} counts them, that it has been sent, and those it took: each time they came. */
  readonly offered: number;
  readonly accepted: number;
}

export interface HttpReceiverSettings {
  /** Options of the exporter that lead to `http://127.0.0.1:port`. */
  options(url: string): Readonly<Record<string, unknown>>;
  /**
   * Flow records in a request, its body decompressed; 0 for a request of another kind (metrics, a token). Of a receiver of metrics:
   * `seriesIn`.
   */
  count(body: Buffer, request: IncomingMessage): number;
  /** Answers a request that is accepted. Default: status 200, no body. */
  accept?(response: ServerResponse, request: IncomingMessage, body: Buffer): void;
  /** Status of a refusal. Default 400. */
  readonly refuseStatus?: number;
  readonly behaviours?: readonly Behaviour[];
}

/** A receiver that speaks HTTP, for exporters that do: `exporterContract(exporter, { receiver: httpReceiver({ … }) })`. */
export function httpReceiver(settings: HttpReceiverSettings): () => Promise<ContractReceiver> {
  return () => HttpReceiver.listen(settings);
}

class HttpReceiver implements ContractReceiver {
  readonly options: Readonly<Record<string, unknown>>;
  readonly behaviours?: readonly Behaviour[];
  offered = 0;
  accepted = 0;
  private readonly server: Server;
  private readonly settings: HttpReceiverSettings;
  private how: Behaviour = 'accept';
  private turn = 0;

  static async listen(settings: HttpReceiverSettings): Promise<HttpReceiver> {
    const server = process.getBuiltinModule('node:http').createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new HttpReceiver(server, settings);
  }

  private constructor(server: Server, settings: HttpReceiverSettings) {
    this.server = server;
    this.settings = settings;
    if (settings.behaviours) this.behaviours = settings.behaviours;
    this.server.on(
      'request',
      (request, response) => void this.answer(request, response).catch(() => response.destroy()),
    );
    this.options = settings.options(`http://127.0.0.1:${(this.server.address() as AddressInfo).port}`);
  }

  behave(how: Behaviour): void {
    this.how = how;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const raw = Buffer.concat(chunks);
    const body = request.headers['content-encoding'] === 'gzip' ? gunzipSync(raw) : raw;
    const records = this.settings.count(body, request);
    this.offered += records;
    const status = (code: number, headers: Record<string, string> = {}) => void response.writeHead(code, headers).end();
    if (this.how === 'hang') return; // whoever waits goes by itself
    if (this.how === 'refuse') return status(this.settings.refuseStatus ?? 400);
    if (records > 0) {
      const turn = this.turn++;
      if (this.how === 'busy' && turn === 0) return status(429, { 'retry-after': '1' });
      if (this.how === 'flaky' && turn % 3 === 0) return status(503);
      if (this.how === 'flaky' && turn % 3 === 1) return void request.socket.destroy();
    }
    this.accepted += records;
    if (this.settings.accept) this.settings.accept(response, request, body);
    else status(200);
  }
}

export interface FileReceiverSettings {
  /** Options of the exporter that lead to a file, which is not there yet. */
  options(file: string): Readonly<Record<string, unknown>>;
  /** Flow records in its text. Default: a line each. */
  readonly count?: (text: string) => number;
}

/** A file, for exporters that write one: it takes what comes, and goes with the rule. */
export function fileReceiver(settings: FileReceiverSettings): () => Promise<ContractReceiver> {
  const { count = (text: string) => text.split('\n').length - 1 } = settings;
  return () => {
    const folder = mkdtempSync(join(tmpdir(), 'retina-file-'));
    const file = join(folder, 'records');
    const records = () => (existsSync(file) ? count(readFileSync(file, 'utf8')) : 0);
    return Promise.resolve({
      options: settings.options(file),
      behaviours: ['accept'],
      behave: () => undefined,
      get offered() {
        return records();
      },
      get accepted() {
        return records();
      },
      [Symbol.asyncDispose]: () => Promise.resolve(rmSync(folder, { recursive: true })),
    });
  };
}
