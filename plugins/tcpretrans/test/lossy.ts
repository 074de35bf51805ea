import { type Namespace, type NodeWorld, serve } from '@retina/testkit/kernels';

/** What a connection loses, on a port of its own. */
const PORTS = { syn: 7001, synack: 7002, probe: 7003, timeout: 7004, fast: 7005, spurious: 7006 } as const;
/** Segments sent again when every connection has lost what it is to lose: one each, the spurious one by a probe. */
export const LOST = { syn: 1, synack: 1, timeout: 1, fast: 1, loss_probe: 2 } as const;

export type Kinds = Readonly<Record<string, number>>;

/** Segments sent again by kind as the kernel counts them, and those its peers had already. A slow machine sends some more than {@link LOST}. */
export interface SentAgain {
  /** Of both ends together. */
  readonly kinds: Kinds;
  readonly client: Kinds;
  readonly server: Kinds;
  /** Of each end. */
  readonly spurious: { readonly client: number; readonly server: number };
}

const ONCE = 'limit rate 1/day burst 1 packets counter drop';
const AT_SERVER = `table inet loss {
 chain in { type filter hook input priority 0;
  tcp dport ${PORTS.syn} tcp flags & (syn | ack) == syn ${ONCE}
  tcp dport ${PORTS.synack} tcp flags & (syn | ack | psh | fin) == ack ${ONCE}
  tcp dport ${PORTS.probe} tcp flags & psh == psh ${ONCE}
  tcp dport ${PORTS.timeout} tcp flags & psh == psh ${ONCE}
  tcp dport ${PORTS.fast} tcp flags & psh == psh ${ONCE}
 }
}
`;
const AT_CLIENT = `table inet loss {
 chain in { type filter hook input priority 0; tcp sport ${PORTS.spurious} tcp flags & (syn | ack) == ack ${ONCE}; }
}
`;

/** Connects, writes so many small segments at once, and ends after so many milliseconds. */
const CLIENT = `
const [host, port, writes, ms] = process.argv.slice(1);
const socket = require('node:net').connect({ host, port: Number(port), noDelay: true }, () => {
  for (let i = 0; i < Number(writes); i++) socket.write(Buffer.alloc(100));
  setTimeout(() => socket.end(), Number(ms));
});
socket.resume();`;

/** What the kernel's own counters of a namespace grew by while something happened. */
export async function grown(where: Namespace, work: () => Promise<unknown>): Promise<(name: string) => number> {
  const before = await where.protocolCounters();
  await work();
  const after = await where.protocolCounters();
  return (name) => after.get(name)! - before.get(name)!;
}

/** Connections from a pod to another, each of which loses one packet. Returns what the kernel sent again. */
export async function lossy(net: NodeWorld, from: string, to: string, family: 'ipv4' | 'ipv6'): Promise<SentAgain> {
  const [client, server] = [net.pod(from).namespace, net.pod(to).namespace];
  let atServer!: (name: string) => number;
  const atClient = await grown(client, async () => {
    atServer = await grown(server, () => lose(net, from, to, family));
  });
  const ends = { client: kindsOf(atClient, 'syn'), server: kindsOf(atServer, 'synack') };
  const kinds: Record<string, number> = { ...ends.client };
  for (const [kind, segments] of Object.entries(ends.server)) kinds[kind] = (kinds[kind] ?? 0) + segments;
  const spurious = { client: atClient('TCPDSACKRecvSegs'), server: atServer('TCPDSACKRecvSegs') };
  return { kinds, ...ends, spurious };
}

/** What one end has sent again. The kernel counts `syn` and `synack` as one: an end that connects has the first, one that answers the other. */
function kindsOf(counted: (name: string) => number, handshake: 'syn' | 'synack'): Kinds {
  const told = {
    [handshake]: counted('TCPSynRetrans'),
    slow_start: counted('TCPSlowStartRetrans'),
    fast: counted('TCPFastRetrans'),
    loss_probe: counted('TCPLossProbes'),
  };
  const timeout = sentAgain(counted) - total(told);
  return Object.fromEntries(Object.entries({ ...told, timeout }).filter(([, segments]) => segments > 0));
}

export function total(kinds: Kinds): number {
  return Object.values(kinds).reduce((sum, segments) => sum + segments, 0);
}

/** Segments the kernel has sent again. One that found the next queue full counts there as well, and as a failure. */
export function sentAgain(counted: (name: string) => number): number {
  return counted('RetransSegs') - counted('TCPRetransFail');
}

async function lose(net: NodeWorld, from: string, to: string, family: 'ipv4' | 'ipv6'): Promise<void> {
  const client = net.pod(from).namespace;
  const server = net.pod(to);
  await server.namespace.nft(AT_SERVER);
  await client.nft(AT_CLIENT);
  const sinks = await Promise.all(
    Object.values(PORTS).map((port) => serve(server.namespace, 'stream-sink', { source: server[family], port })),
  );
  const talk = (port: number, writes: number, ms: number) => once(client, server[family], port, writes, ms);
  await Promise.all([
    talk(PORTS.syn, 0, 0),
    talk(PORTS.synack, 0, 1800), // longer than the first timeout of the answer
    talk(PORTS.probe, 1, 800),
    talk(PORTS.fast, 8, 800),
    talk(PORTS.spurious, 1, 800),
  ]);
  await client.sysctl({ 'net.ipv4.tcp_early_retrans': 0 }); // no loss probes: the timeout has to find out
  await talk(PORTS.timeout, 1, 800);
  await client.sysctl({ 'net.ipv4.tcp_early_retrans': 3 });
  await Promise.all(sinks.map((sink) => sink.stop()));
  for (const where of [client, server.namespace]) await where.nft('flush ruleset\n');
}

async function once(client: Namespace, host: string, port: number, writes: number, ms: number): Promise<void> {
  await client.exec(process.execPath, ['-e', CLIENT, host, String(port), String(writes), String(ms)]);
}
