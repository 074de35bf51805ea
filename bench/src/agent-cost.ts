import { setTimeout as sleep } from 'node:timers/promises';
import { flood, type FloodOptions, type NodeWorld } from '@retina/testkit';
import { type Source, sourceRoute } from './source.ts';
import { startAgent, STARTED_MS } from './agent.ts';
import { quietest, type Share } from './cpu.ts';
import type { Figure } from './figures.ts';
import { podsFile } from './pods.ts';

const RATE = 500_000;
const PODS = 10_000;
const MIB = 1024 * 1024;

/**
 * CPU and memory of the agent at a fixed offered rate, and at rest, with the pods of a large cluster known. Where the machine sends less than 500 000 packets per
 * second, the native thread's time is scaled by packets and the rest by the flows that change within a second.
 */
export async function agentCost(net: NodeWorld, source: Source, quick: boolean): Promise<readonly Figure[]> {
  const seconds = quick ? 3 : 6;
  await using pods = await podsFile(PODS);
  await using agent = await startAgent(net.node, true, pods.file);
  await sleep(STARTED_MS);
  const figures: Figure[] = [];
  const idle = await quietest(agent.pid, quick, async () => void (await sleep(seconds * 1000)));
  figures.push(percent('agent.cpu.idle', 'agent CPU at rest', idle.share, undefined, ''));
  for (const [flows, budget] of [
    [1000, 1],
    [100_000, 6],
  ] as const) {
    const offered = await send(source, flows, 1, RATE); // flows are known before the clock starts
    let packetsPerSecond = offered;
    const used = await quietest(agent.pid, quick, async () => {
      packetsPerSecond = await send(source, flows, seconds, RATE);
    });
    const scaled = scale(used, flows, packetsPerSecond);
    const top = Object.entries(used.threads)
      .sort(([, a], [, b]) => b - a)
      .slice(0, 3)
      .map(([name, share]) => `${name.split('/')[0]} ${(100 * share).toFixed(2)} %`)
      .join(', ');
    const note = `offered ${Math.round(packetsPerSecond / 1000)}k/s${packetsPerSecond < 0.98 * RATE ? ', scaled' : ''}; ${top}`;
    figures.push(percent(`agent.cpu.${flows}`, `agent CPU, 500k packets/s, ${flows.toLocaleString('en')} flows`, scaled, budget, note)); // prettier-ignore
    figures.push(
      memory(
        `agent.rss.${flows}`,
        `agent RSS, 10,000 pods, ${flows.toLocaleString('en')} flows`,
        agent.usage().rssBytes,
      ),
    );
  }
  // Reading the pods is the peak, and no budget's: what it takes is given back.
  const { budget: _, ...peak } = memory('agent.rss.peak', 'agent RSS, peak', agent.usage().peakRssBytes);
  figures.push(peak);
  return figures;
}

/** Flows that change within a second of packets of flows picked at random. */
function changed(flows: number, packetsPerSecond: number): number {
  return flows * (1 - Math.exp(-packetsPerSecond / flows));
}

function scale({ share, threads }: Share, flows: number, packetsPerSecond: number): number {
  if (packetsPerSecond >= 0.98 * RATE) return share;
  const native = Object.entries(threads).reduce(
    (sum, [name, n]) => sum + (name.startsWith('retina-loader') ? n : 0),
    0,
  );
  const byPackets = RATE / packetsPerSecond;
  const byFlows = changed(flows, RATE) / changed(flows, packetsPerSecond);
  return native * byPackets + (share - native) * byFlows;
}

async function send(from: Source, flows: number, seconds: number, rate: number): Promise<number> {
  const route = sourceRoute('ipv4');
  const options: FloodOptions = { ...route, flows, order: 'random', bypass: true, seconds, rate };
  const sent = await flood(from.namespace, options);
  return sent.packets / sent.seconds;
}

function percent(id: string, title: string, share: number, budget: number | undefined, note: string): Figure {
  return {
    id, title, value: 100 * share, unit: '%', better: 'lower', ...(budget && { budget }), scale: 'scriptMs', tolerance: 1.5,
    noise: 0.5, ...(note && { note }),
  }; // prettier-ignore
}

function memory(id: string, title: string, bytes: number): Figure {
  return { id, title, value: bytes / MIB, unit: 'MiB', better: 'lower', budget: 120, tolerance: 1.2, noise: 8 };
}
