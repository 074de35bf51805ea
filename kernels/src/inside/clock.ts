import { execFileSync } from 'node:child_process';
import { datagrams, KernelRun, NodeWorld, PluginHost, World } from '@retina/testkit/kernels';
import type { KernelFeatures } from '@retina/sdk';
import type { ClockResult, Task } from '../results.ts';

/** Seconds that the wall clock is set on by, one after the other. */
const JUMPS = [3600, -7200, 3600];
const PACKETS = 200;
const WANTED = ['packetparser', 'packetforward'];
/** What records may be early or late by, in milliseconds: an emulated machine is slow, and the jumps are a thousand times that. */
const TOLERANCE_MS = 60_000;
const MESSAGE = 2000;

/**
 * Sets the clock on and back while plugins run: everything is counted once, records are of the time that the clock shows, and
 * what runs at intervals goes on. Only where the clock is nobody else's. Never throws.
 */
export async function testClock(task: Task, kernel: KernelFeatures): Promise<ClockResult> {
  const plugins = task.plugins.filter(({ name }) => WANTED.includes(name));
  if (plugins.length < WANTED.length) return { compared: 0 }; // others were asked for
  try {
    await using world = await World.create('clock');
    const net = await NodeWorld.create(world, ['a', 'b']);
    await using host = await PluginHost.start({
      in: net.node,
      plugins: plugins.map(({ module }) => [new URL(module)]),
      degraded: true,
    });
    const run = new KernelRun(net, host, kernel);
    await counts(run, 'before');
    for (const seconds of JUMPS) {
      execFileSync('date', ['-s', `@${Math.floor(Date.now() / 1000) + seconds}`]);
      await counts(run, `after ${seconds} s`);
    }
    const wrong = run.findings.filter(({ right }) => !right).map(({ what, why }) => `${what}: ${why}`);
    return wrong.length ? { error: wrong.join('; ').slice(0, MESSAGE) } : { compared: run.findings.length };
  } catch (error) {
    return { error: (error instanceof Error ? error.message : String(error)).slice(0, MESSAGE) };
  }
}

/** Whether what is sent now is counted, once, and in records of now. */
async function counts(on: KernelRun, when: string): Promise<void> {
  const { host, net } = on;
  const source = net.outsideAddress.ipv4;
  const count = async () => (await host.metrics()).sum('networkobservability_forward_count', { direction: 'ingress' });
  const uplink = (await host.taps()).find(({ name }) => name === 'eth0')?.ifindex;
  await host.flows();
  const [before, began] = [await count(), Date.now()];
  await datagrams(net.outside, { source, destination: on.pod('a').ipv4, port: 9, packets: PACKETS });
  let [packets, untimely] = [0, 0];
  await on.finds(`${when}: packets, those in records, records of another time`, [PACKETS, PACKETS, 0], async () => {
    for (const flow of await host.flows()) {
      if (flow.IP.source !== source || flow.interface?.index !== uplink) continue;
      packets += flow.packets;
      const times = [flow.start_time, flow.time].map(Date.parse);
      const late = (time: number) => time < began - TOLERANCE_MS || time > Date.now() + TOLERANCE_MS;
      if (times.some(late)) untimely++;
    }
    return [(await count()) - before, packets, untimely];
  });
}
