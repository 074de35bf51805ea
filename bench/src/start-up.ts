import { setTimeout as sleep } from 'node:timers/promises';
import type { NodeWorld } from '@retina/testkit';
import { startAgent } from './agent.ts';
import { type Figure, median } from './figures.ts';

/** From exec to the first scrape that has a sample of a plugin's family, and from SIGTERM to the end. */
export async function startUp(net: NodeWorld, quick: boolean): Promise<readonly Figure[]> {
  const starts: number[] = [];
  const stops: number[] = [];
  for (let round = 0; round < (quick ? 2 : 5); round++) {
    const begin = performance.now();
    await using agent = await startAgent(net.node, false);
    for (;;) {
      const answer = await agent.get('/metrics').catch(() => undefined);
      if (answer && /^networkobservability_/m.test(answer.body)) break;
      if (performance.now() - begin > 30_000) throw new Error(`No sample within 30 s:\n${agent.log.slice(-4000)}`);
      await sleep(5);
    }
    starts.push(performance.now() - begin);
    const end = performance.now();
    await agent.stop();
    stops.push(performance.now() - end);
  }
  const common = { unit: 'ms', better: 'lower', scale: 'scriptMs', tolerance: 1.4, noise: 150 } as const;
  return [
    { ...common, id: 'start', title: 'exec to first sample', value: median(starts), budget: 1500 },
    { ...common, id: 'stop', title: 'SIGTERM to the end', value: median(stops), budget: 5000 },
  ];
}
