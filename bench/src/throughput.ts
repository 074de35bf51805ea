import { connect, flood, type NodeWorld, serve, stream } from '@retina/testkit';
import { startAgent } from './agent.ts';
import { type Figure, median } from './figures.ts';

const MEASURES = ['stream', 'packets', 'connections'] as const;
type Measure = (typeof MEASURES)[number];
type Rates = Readonly<Record<Measure, number>>;

const TITLES: Readonly<Record<Measure, string>> = {
  stream: 'TCP stream, bytes',
  packets: 'small UDP packets',
  connections: 'TCP connections',
};

/** Rates between two pods with the agent against those without it, measured by turns so that both see the same machine. */
export async function throughput(net: NodeWorld, quick: boolean): Promise<readonly Figure[]> {
  const rounds = quick ? 2 : 6;
  const seconds = quick ? 1 : 2;
  const without: Rates[] = [];
  const withAgent: Rates[] = [];
  await rates(net, 0.5); // warm up
  for (let round = 0; round < rounds; round++) {
    without.push(await rates(net, seconds));
    await using _agent = await startAgent(net.node);
    withAgent.push(await rates(net, seconds));
  }
  return MEASURES.map((measure) => {
    const base = median(without.map((rate) => rate[measure]));
    const value = median(withAgent.map((rate) => rate[measure]));
    return {
      id: `throughput.${measure}`,
      title: `${TITLES[measure]}, with the agent / without`,
      value: value / base,
      unit: 'ratio',
      better: 'higher',
      tolerance: 1.15,
      noise: 0.05,
      note: `${perSecond(value)} / ${perSecond(base)}`,
    };
  });
}

async function rates(net: NodeWorld, seconds: number): Promise<Rates> {
  const [a, b] = [net.pod('a'), net.pod('b')];
  const sink = await serve(b.namespace, 'stream-sink', { source: b.ipv4, port: 5001 });
  const streamed = await stream(a.namespace, { destination: b.ipv4, port: 5001, seconds });
  await sink.stop();
  const taken = await serve(b.namespace, 'udp-sink', { source: b.ipv4, port: 8000 });
  const flooded = await flood(a.namespace, {
    device: 'eth0',
    source: a.ipv4,
    destination: b.ipv4,
    sourceMac: a.mac,
    destinationMac: b.mac,
    flows: 1000,
    order: 'random',
    port: 8000,
    seconds,
  });
  await taken.stop();
  const server = await serve(b.namespace, 'accept', { source: b.ipv4, port: 5002 });
  const connected = await connect(a.namespace, { destination: b.ipv4, port: 5002, seconds, size: 64, reset: true });
  await server.stop();
  return {
    stream: streamed.payload / streamed.seconds,
    packets: flooded.device.txPackets / flooded.seconds,
    connections: connected.connections / connected.seconds,
  };
}

function perSecond(value: number): string {
  const units = ['', 'k', 'M', 'G'];
  let unit = 0;
  for (; value >= 1000 && unit < 3; unit++) value /= 1000;
  return `${value.toPrecision(3)}${units[unit]}/s`;
}
