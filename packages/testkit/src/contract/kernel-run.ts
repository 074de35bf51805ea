import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect, datagrams, serve } from '../traffic/index.ts';
import { NodeWorld, World } from '../world/index.ts';
import type { KernelFindings, KernelTask } from './kernel-types.ts';

export type KernelTraffic = (net: NodeWorld) => Promise<void>;

/** A little of everything: connections ended and reset, refused ones, datagrams of both families, packets a rule drops. */
export const someTraffic: KernelTraffic = async (net) => {
  const [a, b] = [net.pod('a'), net.pod('b')];
  await b.namespace.nft('table inet t {\nchain c {\ntype filter hook input priority 0;\nudp dport 7777 drop\n}\n}\n');
  const server = await serve(b.namespace, 'accept', { source: '::', port: 80 });
  const sink = await serve(b.namespace, 'udp-sink', { source: '::', port: 9000 });
  await connect(a.namespace, { destination: b.ipv4, port: 80, packets: 5, size: 500 });
  await connect(a.namespace, { destination: b.ipv6, port: 80, packets: 5, size: 500, reset: true });
  await connect(a.namespace, { destination: b.ipv4, port: 81, packets: 3 });
  await datagrams(a.namespace, { source: a.ipv6, destination: b.ipv6, port: 9000, packets: 50, rate: 5000 });
  await datagrams(a.namespace, { source: a.ipv4, destination: b.ipv4, port: 7777, packets: 20, rate: 5000 });
  await datagrams(a.namespace, { source: a.ipv4, destination: net.outsideAddress.ipv4, port: 9000, packets: 20, rate: 5000 }); // prettier-ignore
  await server.stop();
  await sink.stop();
  await sleep(1200); // longer than the interval at which tables and flows are reported
};

/** Runs a plugin in a node of its own with the real loader and real traffic. Needs root and the built loader. */
export async function runInKernel(task: KernelTask, traffic: KernelTraffic = someTraffic): Promise<KernelFindings> {
  await using world = await World.create('contract');
  const net = await NodeWorld.create(world, ['a', 'b']);
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  const child = fileURLToPath(new URL(`kernel-child.${extension}`, import.meta.url));
  const conditions = process.execArgv.filter((argument) => argument.startsWith('--conditions='));
  const running = net.node.spawn(process.execPath, [...conditions, child, JSON.stringify(task)]);
  await running.output(/^running$/m);
  await traffic(net);
  running.process.stdin!.write('\n');
  const [line] = await running.output(/^\{.*\}$/m, 120_000);
  return JSON.parse(line) as KernelFindings;
}
