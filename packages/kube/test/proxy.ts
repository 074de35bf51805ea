import { connect, createServer, type Server, type Socket } from 'node:net';

/** A wire between a client and a server that can be slow, silent or cut. */
export class Proxy {
  readonly #target: number;
  readonly #pairs = new Set<readonly [client: Socket, server: Socket]>();
  #server: Server | undefined;
  #refusing = false;
  #held = false;
  #pieceBytes = 0;
  port = 0;
  /** Connections so far. */
  connections = 0;

  constructor(target: number) {
    this.#target = target;
  }

  static async to(port: number): Promise<Proxy> {
    const proxy = new Proxy(port);
    await proxy.#listen();
    return proxy;
  }

  #listen(): Promise<void> {
    return new Promise((resolve) => {
      this.#server = createServer((client) => this.#join(client)).listen(this.port, '127.0.0.1', () => {
        this.port = (this.#server!.address() as { port: number }).port;
        resolve();
      });
    });
  }

  #join(client: Socket): void {
    this.connections++;
    if (this.#refusing) return void client.resetAndDestroy();
    const server = connect(this.#target, '127.0.0.1');
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    client.on('data', (data) => server.write(data));
    server.on('data', (data) => void this.#toClient(client, data));
    if (this.#held) for (const socket of pair) socket.pause();
  }

  async #toClient(client: Socket, data: Buffer): Promise<void> {
    if (!this.#pieceBytes) return void client.write(data);
    client.setNoDelay(true);
    for (let at = 0; at < data.length; at += this.#pieceBytes) {
      client.write(data.subarray(at, at + this.#pieceBytes));
    }
  }

  /** Everything is delivered in pieces of so many bytes; 0 for as it comes. */
  slow(pieceBytes: number): void {
    this.#pieceBytes = pieceBytes;
  }

  /** Nothing goes through, in either direction, until `release`. */
  hold(): void {
    this.#held = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  release(): void {
    this.#held = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  /** Resets every connection, and with `refuse` every new one. */
  cut(refuse = false): void {
    this.#refusing = refuse;
    for (const [client, server] of this.#pairs) {
      client.resetAndDestroy();
      server.destroy();
    }
  }

  /** Lets connections through again. */
  mend(): void {
    this.#refusing = false;
  }

  close(): void {
    this.cut(true);
    this.#server?.close();
  }
}
