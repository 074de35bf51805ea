/**
 * A real DNS server and client for tests, as a program of its own in a namespace. What a name begins with says what becomes
 * of it: `nx` does not exist, `cut` does not fit into a datagram, `split` does only in fragments, `drop` is never answered,
 * `chain` is an alias; anything else has an address.
 *
 *   peer.ts serve                     UDP and TCP at port 53 of every address; a line of JSON with its counts at the end
 *   peer.ts ask JSON                  asks what an Ask says, and prints how many answers came
 *   peer.ts resolve SERVER NAME…      asks as programs do, by the platform's own resolver
 */
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, createServer, isIPv6 } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { a, aaaa, cname, message, type MessageSpec, prefixed } from './build.ts';

export interface Ask {
  readonly server: string;
  readonly port?: number;
  readonly protocol: 'udp' | 'tcp';
  readonly names: readonly string[];
  readonly type?: number;
  /** Waits so long for answers. */
  readonly waitMs?: number;
  /** TCP: bytes of each write; all at once if left out. */
  readonly pieces?: number;
}

const PORT = 53;

function nameOf(query: Uint8Array): { name: string; type: number } {
  const labels: string[] = [];
  let at = 12;
  for (; query[at]! > 0; at += query[at]! + 1) labels.push(Buffer.from(query.subarray(at + 1, at + 1 + query[at]!)).toString('latin1'));
  return { name: labels.join('.'), type: (query[at + 1]! << 8) | query[at + 2]! };
} // prettier-ignore

function answer(query: Uint8Array, stream: boolean): Uint8Array | undefined {
  const { name, type } = nameOf(query);
  const base: MessageSpec = { id: (query[0]! << 8) | query[1]!, response: true, name, type };
  if (name.startsWith('drop')) return undefined;
  if (name.startsWith('nx')) return message({ ...base, code: 3 });
  if (name.startsWith('cut')) {
    if (!stream) return message({ ...base, truncated: true });
    return message({ ...base, answers: Array.from({ length: 300 }, (_, i) => a(198, 51, i >> 8, i & 255)) });
  }
  const address = type === 28 ? aaaa(9) : a(192, 0, 2, 9);
  if (name.startsWith('split')) return message({ ...base, answers: Array.from({ length: 200 }, (_, i) => a(198, 51, 100, i)) }); // prettier-ignore
  if (!name.startsWith('chain')) return message({ ...base, answers: [address] });
  return message({ ...base, answers: [cname('edge.example.net'), { ...address, name: 'edge.example.net', ttl: 7 }] });
}

function onMessages(take: (bytes: Uint8Array) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
      take(rest.subarray(2, 2 + rest.readUInt16BE(0)));
      rest = rest.subarray(2 + rest.readUInt16BE(0));
    }
  };
}

async function serve(): Promise<void> {
  const counts = { queries: 0, responses: 0 };
  const reply = (query: Uint8Array, stream: boolean) => {
    counts.queries++;
    return answer(query, stream);
  };
  const udp = createSocket({ type: 'udp6', recvBufferSize: 8 << 20, sendBufferSize: 8 << 20 });
  udp.on('message', (query, from) => {
    const bytes = reply(query, false);
    // sent is what the kernel took
    if (bytes) udp.send(bytes, from.port, from.address, (error) => void (error ?? counts.responses++));
  });
  udp.bind(PORT, '::');
  await once(udp, 'listening');
  const tcp = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', onMessages((query) => {
      const bytes = reply(query, true);
      if (bytes) socket.write(prefixed(bytes), (error) => void (error ?? counts.responses++));
    })); // prettier-ignore
  });
  tcp.listen(PORT, '::');
  await once(tcp, 'listening');
  process.stdout.write('ready\n');
  process.on('SIGTERM', () => {
    process.stdout.write(`${JSON.stringify(counts)}\n`, () => process.exit());
  });
}

async function ask({ server, port = PORT, protocol, names, type = 1, waitMs = 1000, pieces }: Ask): Promise<void> {
  let answers = 0;
  const queries = names.map((name, id) => message({ id, name, type }));
  const deadline = Date.now() + waitMs;
  if (protocol === 'udp') {
    const socket = createSocket(isIPv6(server) ? 'udp6' : 'udp4');
    socket.on('message', () => answers++);
    for (const query of queries) {
      socket.send(query, port, server);
      await sleep(1);
    }
    while (answers < names.length && Date.now() < deadline) await sleep(5);
    socket.close();
  } else {
    const socket = connect({ port, host: server, noDelay: true });
    socket.on(
      'data',
      onMessages(() => answers++),
    );
    const all = Buffer.concat(queries.map(prefixed));
    for (let at = 0; at < all.length; at += pieces ?? all.length) {
      socket.write(all.subarray(at, at + (pieces ?? all.length)));
      await sleep(2);
    }
    while (answers < names.length && Date.now() < deadline) await sleep(5);
    socket.end();
    await once(socket, 'close');
  }
  process.stdout.write(`${answers}\n`);
}

async function resolve(server: string, names: readonly string[]): Promise<void> {
  const resolver = new Resolver({ timeout: 1000, tries: 1 });
  resolver.setServers([server]);
  const results = await Promise.allSettled(names.map((name) => resolver.resolve4(name)));
  process.stdout.write(`${JSON.stringify(results.map((r) => (r.status === 'fulfilled' ? r.value.length : (r.reason as { code: string }).code)))}\n`);
} // prettier-ignore

const [, script, mode, ...rest] = process.argv;
if (script === import.meta.filename) {
  if (mode === 'serve') await serve();
  else if (mode === 'ask') await ask(JSON.parse(rest[0]!) as Ask);
  else await resolve(rest[0]!, rest.slice(1));
}
