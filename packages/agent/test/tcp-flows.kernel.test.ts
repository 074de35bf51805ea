import { setTimeout as sleep } from 'node:timers/promises';
import { type AgentProcess, NodeWorld, serve, World } from '@retina/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FlowTally, KERNEL, startAgent } from './exact/fixture.ts';

const PORT = 7001;
const CONFIG = {
  plugins: { packetparser: {}, tcpretrans: {}, tcphealth: { intervalMs: 500 } },
  exporters: { prometheus: {} },
  enablePodLevel: true,
};
/** Loses the first SYN and the first packet of data: two segments that are sent again. */
const LOSSY = `table inet t {
 chain c { type filter hook input priority 0;
  tcp dport ${PORT} tcp flags & (syn | ack) == syn limit rate 1/day burst 1 packets drop
  tcp dport ${PORT} tcp flags & psh == psh limit rate 1/day burst 1 packets drop
 }
}
`;
const TALKS = `const [host, port] = process.argv.slice(1);
const socket = require('node:net').connect({ host, port, noDelay: true }, () => {
  const writing = setInterval(() => socket.write('x'.repeat(100)), 250);
  setTimeout(() => (clearInterval(writing), socket.end()), 4000);
});
socket.resume();`;

describe.runIf(KERNEL)('what TCP knows of a flow', () => {
  let world: World;
  let net: NodeWorld;
  let agent: AgentProcess;

  beforeAll(async () => {
    world = await World.create('tcpflows');
    net = await NodeWorld.create(world, ['a', 'b']);
    agent = await startAgent(net, CONFIG);
  });
  afterAll(async () => {
    await agent[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  it.each(['ipv4', 'ipv6'] as const)(
    'is in its records, and what was sent again is there once, over %s',
    { timeout: 60_000 },
    async (ip) => {
      const [a, b] = [net.pod('a'), net.pod('b')];
      const sent = { podname: a.namespace.name, ip: a[ip] };
      const sentAgain = async () => (await agent.metrics()).sum('networkobservability_adv_tcpretrans_count', sent);
      // two, and on a busy machine a probe for an answer that was on its way: the kernel itself knows
      const kernel = async () => {
        const counters = await a.namespace.protocolCounters();
        return counters.get('RetransSegs')! - counters.get('TCPRetransFail')!;
      };
      const [before, kernelBefore] = [await sentAgain(), await kernel()];
      await b.namespace.nft(LOSSY);
      await using flows = await FlowTally.start(agent);
      const server = await serve(b.namespace, 'accept', { source: b[ip], port: PORT });
      await a.namespace.exec(process.execPath, ['-e', TALKS, b[ip], String(PORT)]);
      await server.stop();
      await b.namespace.nft('flush ruleset\n');
      const expected = (await kernel()) - kernelBefore;
      expect(expected).toBeGreaterThanOrEqual(2);

      const records = () =>
        flows.select(
          ({ IP, l4, trace_observation_point: point }) =>
            IP.source === a[ip] && l4['TCP']?.['destination_port'] === PORT && point === 'FROM_ENDPOINT',
        );
      const told = async () => ({
        records: records().reduce((sum, { retransmits = 0 }) => sum + retransmits, 0),
        metric: (await sentAgain()) - before,
      });
      const all = { records: expected, metric: expected };
      await expect.poll(told, { timeout: 20_000, interval: 200 }).toEqual(all);
      await sleep(2500); // longer than they take to be told: nothing is there twice
      expect(await told()).toEqual(all);
      const known = records().filter(({ rtt_us, min_rtt_us, setup_us }) => rtt_us && min_rtt_us && setup_us);
      expect(known.length).toBeGreaterThan(0);
      for (const { rtt_us, min_rtt_us, setup_us } of known) {
        expect(min_rtt_us).toBeLessThanOrEqual(rtt_us!);
        expect(setup_us).toBeGreaterThan(900_000); // the second after which the SYN is sent again
      }
    },
  );
});
