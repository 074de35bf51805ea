import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { AgentProcess, connect, flood, heldBpf, type NodeWorld, sendFrames, serve } from '@retina/testkit';
import { agentEntry, STARTED_MS } from './agent.ts';
import { quietest } from './cpu.ts';
import { bpfStats } from './kernel-cost.ts';
import { dnsFrames } from './dns-frames.ts';
import type { Figure } from './figures.ts';
import { type Source, sourceRoute } from './source.ts';
import { Worker } from './worker-client.ts';

const PLUGINS = fileURLToPath(new URL('../../plugins', import.meta.url));
const EMPTY = fileURLToPath(new URL('../dist/empty.bpf.o', import.meta.url));
const TAP_TYPE = 3; // BPF_PROG_TYPE_SCHED_CLS
const FLOWS = 1000;
const MIB = 1024 * 1024;

/**
 * What each plugin costs alone, and all of them together: per packet at the hook of an uplink, net of an empty program, and
 * per run of its tracing programs. At the end, with all: CPU and memory under packets and DNS.
 */
export async function pluginCost(
  net: NodeWorld,
  source: Source,
  quick: boolean,
): Promise<{ readonly emptyNanos: number; readonly figures: readonly Figure[] }> {
  await using _stats = await bpfStats();
  const bursts = quick ? 4 : 10;
  const empty = await emptyNanos(net, source, bursts);
  const figures: Figure[] = [];
  const names = readdirSync(PLUGINS)
    .filter((name) => existsSync(`${PLUGINS}/${name}/dist/retina.json`))
    .sort();
  for (const name of names) {
    await using agent = await startWith(net, [name]);
    const packet = await perPacket(net, source, agent.pid, bursts);
    if (packet !== undefined) figures.push(figure(`packet.${name}`, `${name} alone, per packet`, packet - empty));
    const event = await perEvent(net, source, agent.pid);
    if (event !== undefined) figures.push(figure(`event.${name}`, `${name} alone, per event`, event));
  }
  {
    await using agent = await startWith(net, names);
    const packet = await perPacket(net, source, agent.pid, bursts);
    figures.push({ ...figure('packet.all', 'all plugins, per packet', packet! - empty), budget: 110 });
  }
  return { emptyNanos: empty, figures };
}

/** CPU and memory of the agent with every plugin, at 200 000 packets and 1 000 DNS queries per second. */
export async function everything(net: NodeWorld, source: Source, quick: boolean): Promise<readonly Figure[]> {
  const seconds = quick ? 3 : 6;
  const names = readdirSync(PLUGINS).filter((name) => existsSync(`${PLUGINS}/${name}/dist/retina.json`));
  await using agent = await startWith(net, names);
  await sleep(STARTED_MS);
  const traffic = (forSeconds: number) =>
    Promise.all([
      flood(source.namespace, { ...sourceRoute('ipv4'), flows: FLOWS, order: 'random', bypass: true, seconds: forSeconds, rate: 200_000 }), // prettier-ignore
      ...dnsFrames(net, source).map(({ from, device, frames }) =>
        sendFrames(from, frames, { device, rate: 1000, packets: 1000 * forSeconds }),
      ),
    ]);
  await traffic(quick ? 3 : 90); // what a compiler and a collector do at first is done
  let rate = 0;
  const used = await quietest(agent.pid, quick, async () => {
    const [sent] = await traffic(seconds);
    rate = sent.packets / sent.seconds;
  });
  const note = `offered ${Math.round(rate / 1000)}k/s`;
  return [
    { id: 'all.cpu', title: 'agent CPU, all plugins, 200k packets/s, 1,000 DNS queries/s', value: 100 * used.share, unit: '%', better: 'lower', budget: 2, scale: 'scriptMs', tolerance: 1.5, noise: 0.5, note }, // prettier-ignore
    { id: 'all.rss', title: 'agent RSS, all plugins', value: agent.usage().rssBytes / MIB, unit: 'MiB', better: 'lower', budget: 120, tolerance: 1.2, noise: 8 }, // prettier-ignore
  ];
}

function figure(id: string, title: string, value: number): Figure {
  return { id, title, value, unit: 'ns', better: 'lower', scale: 'emptyNanos', tolerance: 1.5, noise: 10 };
}

function startWith(net: NodeWorld, names: readonly string[]): Promise<AgentProcess> {
  return AgentProcess.start({
    in: net.node,
    ...agentEntry(),
    config: {
      plugins: Object.fromEntries(names.map((name) => [name, { required: false }])),
      exporters: { prometheus: {} },
      enablePodLevel: true,
      remoteContext: true,
      apiServers: [`${net.outsideAddress.ipv4}:443`],
    },
    ready: true,
  });
}

const traffic = { flows: FLOWS, order: 'random', bypass: true, urgent: true, packets: 40_000 } as const;

/** Nanoseconds per packet of the programs at the uplink's hook: the quietest of the bursts. */
async function perPacket(net: NodeWorld, source: Source, pid: number, bursts: number): Promise<number | undefined> {
  const uplink = await net.node.ifindex(source.hostInterface);
  const found: number[] = [];
  for (let burst = 0; burst < bursts; burst++) {
    const before = runs(pid, uplink);
    const sent = await flood(source.namespace, { ...sourceRoute('ipv4'), ...traffic, seed: burst + 1 });
    const after = runs(pid, uplink);
    const nanos = after.taps.nanos - before.taps.nanos;
    const count = after.taps.runs - before.taps.runs;
    if (count >= sent.packets) found.push(nanos / count);
  }
  return found.length > 0 ? Math.min(...found) : undefined;
}

/** Nanoseconds per run of the tracing programs, dispatch included, while connections are made and packets dropped. */
async function perEvent(net: NodeWorld, source: Source, pid: number): Promise<number | undefined> {
  const before = runs(pid).tracing;
  const server = await serve(net.outside, 'accept', { source: net.outsideAddress.ipv4, port: 80 });
  await connect(net.pod('a').namespace, { destination: net.outsideAddress.ipv4, port: 80, packets: 3000, size: 1000 });
  await server.stop();
  await flood(source.namespace, { ...sourceRoute('ipv4'), ...traffic });
  const after = runs(pid).tracing;
  const count = after.runs - before.runs;
  return count >= 1000 ? (after.nanos - before.nanos) / count : undefined;
}

interface Runs {
  runs: number;
  nanos: number;
}

/** What the kernel has counted for the programs a process holds; of taps only those at one interface, if one is given. */
function runs(pid: number, ifindex?: number): { readonly taps: Runs; readonly tracing: Runs } {
  const { links, programs } = heldBpf(pid);
  const attached = new Set(
    links.filter((link) => ifindex === undefined || link.ifindex === ifindex).map(({ program }) => program),
  );
  const sum = { taps: { runs: 0, nanos: 0 }, tracing: { runs: 0, nanos: 0 } };
  for (const program of programs) {
    if (!attached.has(program.id)) continue; // a chain's later programs are in the first one's time
    const into = program.type === TAP_TYPE ? sum.taps : sum.tracing;
    into.runs += program.runs;
    into.nanos += program.nanos;
  }
  return sum;
}

/** The same traffic through an empty program. */
async function emptyNanos(net: NodeWorld, source: Source, bursts: number): Promise<number> {
  await using worker = await Worker.start(net.node);
  const ifindex = await net.node.ifindex(source.hostInterface);
  await worker.ask({ op: 'load', object: 'empty', file: EMPTY, flows: false });
  await worker.ask({ op: 'attach', object: 'empty', program: 'empty', ifindex, direction: 'ingress' });
  const found: number[] = [];
  for (let burst = 0; burst < bursts; burst++) {
    const before = (await worker.ask({ op: 'stats', object: 'empty', program: 'empty' })).program!;
    await flood(source.namespace, { ...sourceRoute('ipv4'), ...traffic, seed: burst + 1 });
    const after = (await worker.ask({ op: 'stats', object: 'empty', program: 'empty' })).program!;
    found.push((after.nanos - before.nanos) / (after.runs - before.runs));
  }
  await worker.ask({ op: 'close', object: 'empty' });
  return Math.min(...found);
}
