import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type KubeClient, type LeaderElection, leaderElection, LEASES } from '../src/index.ts';
import { ApiServer, whySkipped } from './api-server.ts';
import { Proxy } from './proxy.ts';

const TIMES = { leaseDurationMs: 3000, renewDeadlineMs: 2000, retryPeriodMs: 200 };

describe.skipIf(whySkipped)(`leader election (${whySkipped ?? 'real API server'})`, () => {
  let server: ApiServer;
  let client: KubeClient;
  const running: LeaderElection[] = [];

  beforeAll(async () => {
    server = await ApiServer.start();
    client = server.client();
  });
  afterEach(() => Promise.all(running.splice(0).map((candidate) => candidate.stop())));
  afterAll(() => server?.stop());

  /** Who led, and whether two ever did at once. */
  function race(name: string) {
    const leading = new Set<string>();
    const terms: string[] = [];
    let most = 0;
    const stand = (identity: string, by: KubeClient = client) => {
      const candidate = leaderElection(by, {
        name,
        identity,
        ...TIMES,
        onLead: () => {
          terms.push(identity);
          most = Math.max(most, leading.add(identity).size);
        },
        onLost: () => leading.delete(identity),
      });
      running.push(candidate);
      return candidate;
    };
    return { stand, leading, terms, most: () => most };
  }

  const until = async (what: () => boolean) => {
    for (const end = performance.now() + 60_000; !what(); await sleep(10)) {
      if (performance.now() > end) throw new Error('it did not come to pass in a minute');
    }
  };

  it('one leads; who gives up makes way at once', async () => {
    const { stand, leading, terms, most } = race('give-up');
    const first = stand('first');
    await until(() => first.isLeader);
    const second = stand('second');
    await until(() => second.leader === 'first');
    await first.stop();
    await until(() => second.isLeader);
    expect(terms).toEqual(['first', 'second']);
    expect([most(), ...leading]).toEqual([1, 'second']);
    const lease = await client.get(LEASES, { namespace: 'default', name: 'give-up' });
    expect(lease?.spec).toMatchObject({ holderIdentity: 'second', leaseTransitions: 1, leaseDurationSeconds: 3 });
  });

  it('a leader that is cut off stops leading before another one begins', async () => {
    const proxy = await Proxy.to(server.port);
    const behind = server.client({ kubeconfig: server.kubeconfig('behind', { token: 'administrator' }, proxy.port) });
    const { stand, leading, terms, most } = race('cut-off');
    const first = stand('first', behind);
    await until(() => first.isLeader);
    stand('second');
    proxy.hold(); // its requests are neither answered nor refused
    await until(() => terms.includes('second'));
    expect([most(), ...leading]).toEqual([1, 'second']);
    proxy.release();
    await until(() => first.leader === 'second');
    expect(terms).toEqual(['first', 'second']);
    proxy.close();
  });

  it("believes its own clock, not the leader's", async () => {
    const late = new Date(Date.now() + 3_600_000).toISOString().replace('Z', '000Z');
    const spec = { holderIdentity: 'ahead', leaseDurationSeconds: 1, acquireTime: late, renewTime: late };
    await client.create(LEASES, { metadata: { namespace: 'default', name: 'clocks' }, spec });
    const { stand, terms } = race('clocks');
    stand('first');
    await until(() => terms.length === 1);
  });

  it('leads again after the API server was away', async () => {
    const { stand, terms, leading } = race('away');
    const first = stand('first');
    await until(() => first.isLeader);
    await server.kill();
    await until(() => !first.isLeader);
    expect(leading.size).toBe(0);
    await server.up();
    await until(() => first.isLeader);
    expect(terms).toEqual(['first', 'first']);
  });
});
