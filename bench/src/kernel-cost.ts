import { fileURLToPath } from 'node:url';
import { flood, type FloodOptions, type NodeWorld, run } from '@retina/testkit';
import { type Figure, median } from './figures.ts';
import { type Source, sourceRoute } from './source.ts';
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
 * under the same traffic: UDP datagrams of 64 bytes, flows in random order, one direction. Both programs stay loaded and
 * take turns on one link, burst by burst; of the bursts the quietest counts, since what disturbs only ever adds.
 */
export async function kernelCost(net: NodeWorld, source: Source, quick: boolean): Promise<KernelCost> {
  const figures: Figure[] = [];
  const empties: number[] = [];
  await using worker = await Worker.start(net.node);
  await using _stats = await bpfStats();
  for (const direction of ['ingress', 'egress'] as const) {
    for (const family of ['ipv4', 'ipv6'] as const) {
      for (const [i, flows] of FLOWS.entries()) {
        const found = await turns(worker, net, source, direction, family, flows, quick ? 6 : 16);
        empties.push(found.empty);
        figures.push(figure(direction, family, flows, found.tap - found.empty, BUDGETS[family][i]!));
        if (direction === 'ingress' && family === 'ipv4' && flows > 1) figures.push(drainFigure(flows, found.drain));
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

interface Turns {
  /** Nanoseconds per packet, raw. */
  readonly empty: number;
  readonly tap: number;
  /** Nanoseconds of the drain per kernel record. */
  readonly drain: number;
}

async function turns(
  worker: Worker,
  net: NodeWorld,
  source: Source,
  direction: Direction,
  family: Family,
  flows: number,
  bursts: number,
): Promise<Turns> {
  // The same frames each way: towards the node, where its tap sees them come in, and away from it, where it sees them leave.
  const ingress = direction === 'ingress';
  const from = ingress ? source.namespace : net.node;
  const program = `packetparser_${direction}`;
  const traffic: FloodOptions = {
    ...sourceRoute(family),
    ...(!ingress && { device: source.hostInterface }),
    flows,
    order: 'random',
    bypass: ingress, // what leaves without the queueing discipline would pass the egress hook by
    urgent: true,
    packets: 40_000,
  };
  const ifindex = await net.node.ifindex(source.hostInterface);
  await worker.ask({ op: 'load', object: 'tap', file: PARSER, flows: true });
  await worker.ask({ op: 'load', object: 'empty', file: EMPTY, flows: false });
  await worker.ask({ op: 'attach', object: 'tap', program, ifindex, direction });
  await flood(from, { ...traffic, seed: 5 });
  const found: Record<keyof Turns, number[]> = { empty: [], tap: [], drain: [] };
  for (let burst = 0; burst < 2 * bursts; burst++) {
    const [object, name] = burst % 2 ? (['tap', program] as const) : (['empty', 'empty'] as const);
    await worker.ask({ op: 'swap', link: 'tap', object, program: name });
    const drained = (await worker.ask({ op: 'flowStats', object: 'tap' })).flows!;
    const before = (await worker.ask({ op: 'stats', object, program: name })).program!;
    const sent = await flood(from, { ...traffic, seed: burst + 1 });
    const after = (await worker.ask({ op: 'stats', object, program: name })).program!;
    const runs = after.runs - before.runs;
    if (runs < sent.packets) throw new Error(`Expected ${sent.packets} runs of ${name} but the kernel counted ${runs}`);
    found[object].push((after.nanos - before.nanos) / runs);
    const now = (await worker.ask({ op: 'flowStats', object: 'tap' })).flows!;
    if (object === 'tap') found.drain.push((now.drainNanos - drained.drainNanos) / (now.records - drained.records));
  }
  await worker.ask({ op: 'close', object: 'tap' });
  await worker.ask({ op: 'close', object: 'empty' });
  return { empty: Math.min(...found.empty), tap: Math.min(...found.tap), drain: Math.min(...found.drain) };
}

/** Switches the kernel's program statistics on, and back to what they were. */
export async function bpfStats(): Promise<AsyncDisposable> {
  const key = 'kernel.bpf_stats_enabled';
  const before = (await run('sysctl', ['-n', key])).stdout.trim();
  await run('sysctl', ['-qw', `${key}=1`]);
  return { [Symbol.asyncDispose]: async () => void (await run('sysctl', ['-qw', `${key}=${before}`])) };
}
