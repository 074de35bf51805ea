import { setTimeout as sleep } from 'node:timers/promises';
import { AgentProcess, type FloodOptions, type NodeWorld, type Pod } from '@retina/testkit';
import { AgentClient } from '../../src/api/index.ts';
import type { AgentStatus, FlowJson } from '../../src/api/types.ts';

/** Kernel tests run as root; under CI they must be able to. */
export const KERNEL = process.getuid?.() === 0 || process.env['CI'] === 'true';

const ENTRY = new URL('../../src/main.ts', import.meta.url);

export const CONFIG = {
  plugins: { packetparser: {}, packetforward: {}, dropreason: { required: false, netns: 'own' } },
  exporters: { prometheus: {} },
  enablePodLevel: true,
  remoteContext: true,
  enableConntrackMetrics: true,
} as const;

/** The agent, from its sources, in the node's namespace. */
export function startAgent(net: NodeWorld, config: Readonly<Record<string, unknown>> = CONFIG): Promise<AgentProcess> {
  return AgentProcess.start({ in: net.node, entry: ENTRY, config, nodeArgs: ['--conditions=@retina/source'] });
}

export interface Amount {
  readonly packets: number;
  readonly bytes: number;
}

/** What the agent has accounted for since its start: in flows, as no IP packet, or as beyond what its tables hold. */
export function accounted(status: AgentStatus): Amount {
  const parts = [
    status.attributed,
    ...status.unparsed.map(({ count, bytes = 0 }) => ({ packets: count, bytes })),
    ...status.losses
      .filter(({ unit }) => unit === 'packets')
      .map(({ count, bytes = 0 }) => ({ packets: count, bytes })),
  ];
  return add(parts);
}

/** What the interfaces' own counters say passed the hooks: all received, and all sent or dropped behind the hook. */
export async function passed(net: NodeWorld, interfaces: readonly string[]): Promise<Amount> {
  const counters = await Promise.all(interfaces.map((name) => net.node.counters(name)));
  return add(counters.map((c) => ({ packets: c.rxPackets + c.txPackets, bytes: c.rxBytes + c.txBytes })));
}

export function add(parts: readonly Amount[]): Amount {
  return {
    packets: parts.reduce((sum, part) => sum + part.packets, 0),
    bytes: parts.reduce((sum, part) => sum + part.bytes, 0),
  };
}

export function less(a: Amount, b: Amount): Amount {
  return { packets: a.packets - b.packets, bytes: a.bytes - b.bytes };
}

/** Follows the agent's flow stream from now on. */
export class FlowTally implements AsyncDisposable {
  readonly records: FlowJson[] = [];
  /** Records the stream could not deliver; exact sums need none. */
  lost = 0;
  private readonly abort = new AbortController();
  private readonly reading: Promise<void>;

  private constructor(client: AgentClient) {
    this.reading = this.read(client);
  }

  static async start(agent: AgentProcess): Promise<FlowTally> {
    const tally = new FlowTally(new AgentClient(agent.socket));
    await sleep(100); // the request is on its way
    return tally;
  }

  select(match: (flow: FlowJson) => boolean): readonly FlowJson[] {
    return this.records.filter(match);
  }

  sum(match: (flow: FlowJson) => boolean): Amount {
    return add(this.select(match));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abort.abort();
    await this.reading;
  }

  private async read(client: AgentClient): Promise<void> {
    try {
      for await (const line of client.flows({ follow: true }, this.abort.signal)) {
        if ('lost' in line) this.lost += line.lost;
        else this.records.push(line);
      }
    } catch (error) {
      if (!this.abort.signal.aborted) throw error;
    }
  }
}

/** A flood between two pods of one node. */
export function between(from: Pod, to: Pod, family: 'ipv4' | 'ipv6', more: Partial<FloodOptions> = {}): FloodOptions {
  return {
    device: 'eth0',
    source: from[family],
    destination: to[family],
    sourceMac: from.mac,
    destinationMac: to.mac,
    ...more,
  };
}

/** Lets pods drop what is sent to no socket of theirs before they answer by ICMP. */
export async function swallow(...pods: readonly Pod[]): Promise<void> {
  const rules =
    'table inet swallow {\nchain c {\ntype filter hook prerouting priority -300;\nudp dport 9000-9999 drop\n}\n}\n';
  for (const pod of pods) await pod.namespace.nft(rules);
}
