import { type Namespace, type NodeWorld, serve } from '@retina/testkit/kernels';

/** What a connection loses, on a port of its own. */
const PORTS = { syn: 7001, synack: 7002, probe: 7003, timeout: 7004, fast: 7005, spurious: 7006 } as const;
/** Segments sent again when every connection has lost what it is to lose: one each, the spurious one by a probe. */
export const LOST = { syn: 1, synack: 1, timeout: 1, fast: 1, loss_probe: 2 } as const;

/** Segments sent again by kind as the kernel counts them, and those its peers had already. A slow machine sends some more than {@link LOST}. */
export interface SentAgain {
  readonly kinds: Readonly<Record<string, number>>;
  readonly spurious: number;
  /** Of each end. */
  readonly client: number;
  readonly server: number;
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

/** What the kernel's own counters of a namespace grew by while something happened, by their names in `/proc/net`. */
export async function grown(where: Namespace, work: () => Promise<unknown>): Promise<(name: string) => number> {
  const before = await kernelCounts(where);
  await work();
  const after = await kernelCounts(where);
  return (name) => after.get(name)! - before.get(name)!;
}

async function kernelCounts(where: Namespace): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const file of ['snmp', 'netstat']) {
    const lines = (await where.exec('cat', [`/proc/net/${file}`])).stdout.trim().split('\n');
    for (let i = 0; i + 1 < lines.length; i += 2) {
      const values = lines[i + 1]!.split(/:? /);
      for (const [n, name] of lines[i]!.split(/:? /).entries()) if (n > 0) counts.set(name, Number(values[n]));
    }
  }
  return counts;
}

/** Connections from a pod to another, each of which loses one packet. Returns what the kernel sent again. */
export async function lossy(net: NodeWorld, from: string, to: string, family: 'ipv4' | 'ipv6'): Promise<SentAgain> {
  const [client, server] = [net.pod(from).namespace, net.pod(to).namespace];
  let atServer!: (name: string) => number;
  const atClient = await grown(client, async () => {
    atServer = await grown(server, () => lose(net, from, to, family));
  });
  const sent = {
    syn: atClient('TCPSynRetrans'),
    synack: atServer('TCPSynRetrans'),
    slow_start: atClient('TCPSlowStartRetrans'),
    fast: atClient('TCPFastRetrans'),
    loss_probe: atClient('TCPLossProbes'),
  };
  const ends = { client: sentAgain(atClient), server: sentAgain(atServer) };
  const total = ends.client + ends.server;
  const timeout = total - Object.values(sent).reduce((sum, segments) => sum + segments, 0);
  const kinds = Object.fromEntries(Object.entries({ ...sent, timeout }).filter(([, segments]) => segments > 0));
  return {
    kinds,
    spurious: atClient('TCPDSACKRecvSegs'),
    ...ends,
  };
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
