import { fileURLToPath } from 'node:url';
import { flood, type FloodOptions, type NodeWorld, run } from '@retina/testkit';
import { type Figure, median } from './figures.ts';
import { Worker } from './worker-client.ts';

const EMPTY = fileURLToPath(new URL('../dist/empty.bpf.o', import.meta.url));
const PARSER = fileURLToPath(new URL('../dist/packetparser.bpf.o', import.meta.resolve('@retina/plugin-packetparser')));
const FLOWS = [1, 1000, 10_000, 100_000] as const;
const BUDGETS = { ipv4: [15, 25, 35, 20], ipv6: [25, 25, 35, 25] } as const;

type Direction = 'ingress' | 'egress';
type Family = 'ipv4' | 'ipv6';

export interface KernelCost {
  readonly emptyNanos: number;
  readonly figures: readonly Figure[];
}

/**
 * Nanoseconds per packet of the attached program, by the kernel's own statistics, net of an empty program on the same hook
 * under the same traffic: UDP datagrams of 64 bytes, flows in random order, one direction.
 */
export async function kernelCost(net: NodeWorld, quick: boolean): Promise<KernelCost> {
  const packets = quick ? 100_000 : 300_000;
  const rounds = quick ? 3 : 5;
  const figures: Figure[] = [];
  const empties: number[] = [];
  await using worker = await Worker.start(net.node);
  await using _stats = await bpfStats();
  for (const direction of ['ingress', 'egress'] as const) {
    for (const family of ['ipv4', 'ipv6'] as const) {
      for (const [i, flows] of FLOWS.entries()) {
        const nets: number[] = [];
        let drain = 0;
        for (let round = 0; round < rounds; round++) {
          const empty = await one(worker, net, direction, family, flows, packets, EMPTY, 'empty');
          const tap = await one(worker, net, direction, family, flows, packets, PARSER, `packetparser_${direction}`);
          empties.push(empty.nanos);
          nets.push(tap.nanos - empty.nanos);
          drain = tap.drain;
        }
        figures.push(
          figure(direction, family, flows, median(nets), BUDGETS[family][i]!),
          ...(direction === 'ingress' && family === 'ipv4' && flows >= 1000 ? [drainFigure(flows, drain)] : []),
        );
      }
    }
  }
  return { emptyNanos: median(empties), figures };
}

function figure(direction: Direction, family: Family, flows: number, value: number, budget: number): Figure {
  return {
    id: `kernel.${direction}.${family}.${flows}`,
    title: `kernel, ${direction}, ${family === 'ipv4' ? 'IPv4' : 'IPv6'}, ${flows.toLocaleString('en')} flows, per packet`,
    value,
    unit: 'ns',
    better: 'lower',
    budget,
    scale: 'emptyNanos',
    tolerance: 1.35,
    noise: 6,
  };
}

function drainFigure(flows: number, value: number): Figure {
  return {
    id: `drain.${flows}`,
    title: `drain, ${flows.toLocaleString('en')} flows, per kernel record`,
    value,
    unit: 'ns',
    better: 'lower',
    scale: 'scriptMs',
    tolerance: 1.5,
    noise: 10,
  };
}

async function one(
  worker: Worker,
  net: NodeWorld,
  direction: Direction,
  family: Family,
  flows: number,
  packets: number,
  file: string,
  program: string,
): Promise<{ readonly nanos: number; readonly drain: number }> {
  const [from, to] = [net.pod('a'), net.pod('b')];
  const tapped = direction === 'ingress' ? from : to;
  const drained = file === PARSER;
  const traffic: FloodOptions = {
    device: 'eth0',
    source: from[family],
    destination: to[family],
    sourceMac: from.mac,
    destinationMac: to.mac,
    flows,
    order: 'random',
    bypass: true,
  };
  await worker.ask({ op: 'load', object: program, file, flows: drained });
  const ifindex = await net.node.ifindex(tapped.hostInterface);
  await worker.ask({ op: 'attach', object: program, program, ifindex, direction });
  await flood(from.namespace, { ...traffic, packets: packets / 10, seed: 5 });
  const before = (await worker.ask({ op: 'stats', object: program, program })).program!;
  const sent = await flood(from.namespace, { ...traffic, packets });
  const after = (await worker.ask({ op: 'stats', object: program, program })).program!;
  const runs = after.runs - before.runs;
  if (runs < sent.packets)
    throw new Error(`Expected ${sent.packets} runs of ${program} but the kernel counted ${runs}`);
  const stats = drained ? (await worker.ask({ op: 'flowStats', object: program })).flows! : undefined;
  await worker.ask({ op: 'close', object: program });
  return { nanos: (after.nanos - before.nanos) / runs, drain: stats ? stats.drainNanos / stats.records : 0 };
}

/** Switches the kernel's program statistics on, and back to what they were. */
async function bpfStats(): Promise<AsyncDisposable> {
  const key = 'kernel.bpf_stats_enabled';
  const before = (await run('sysctl', ['-n', key])).stdout.trim();
  await run('sysctl', ['-qw', `${key}=1`]);
  return { [Symbol.asyncDispose]: async () => void (await run('sysctl', ['-qw', `${key}=${before}`])) };
}
