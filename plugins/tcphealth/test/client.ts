import type { Namespace } from '@retina/testkit/kernels';

/**
 * A program that connects as it is told and ends when every connection has: `count` connections to `host`:`port`, all at once,
 * each given up after `giveUpMs` if it is not made by then and held for `holdMs` if it is. `from` has "%" for its number.
 */
export interface Connects {
  readonly host: string;
  readonly port: number;
  readonly count: number;
  readonly giveUpMs?: number;
  readonly holdMs?: number;
  readonly from?: string;
  /** Bytes written every 100 ms while a connection is held. */
  readonly bytes?: number;
}

const PROGRAM = `
const { host, port, count, giveUpMs, holdMs = 0, from, bytes } = JSON.parse(process.argv[1]);
const errors = {};
for (let i = 0; i < count; i++) {
  const localAddress = from?.replace('%', String(i + 1));
  const socket = require('node:net').connect({ host, port, localAddress, noDelay: true }, () => {
    clearTimeout(patience);
    const writing = bytes && setInterval(() => socket.write(Buffer.alloc(bytes)), 100);
    const holding = setTimeout(() => (clearInterval(writing), socket.end()), holdMs);
    socket.on('close', () => (clearInterval(writing), clearTimeout(holding)));
  });
  const patience = giveUpMs === undefined ? undefined : setTimeout(() => socket.destroy(), giveUpMs);
  socket.resume();
  socket.on('error', ({ code }) => (errors[code] = (errors[code] ?? 0) + 1));
}
process.on('exit', () => console.log(JSON.stringify(errors)));`;

/** Runs it in a namespace. Returns what the connections' program was told, by errno name. */
export async function connects(where: Namespace, how: Connects): Promise<Readonly<Record<string, number>>> {
  const { stdout } = await where.exec(process.execPath, ['-e', PROGRAM, JSON.stringify(how)]);
  return JSON.parse(stdout) as Record<string, number>;
}
