import { describe, expect, it } from 'vitest';
import type { AgentStatus, Talker } from '../api/types.ts';
import { renderScreen, type ScreenModel } from './screen.ts';
import { visibleLength } from './text.ts';

const status: AgentStatus = {
  version: '0.1.0',
  pid: 42,
  host: 'node-1',
  kernel: '6.18.44',
  started: '2026-01-01T00:00:00.000Z',
  uptimeSeconds: 75,
  configuration: 'built-in',
  demo: false,
  live: true,
  ready: true,
  problems: [],
  components: [
    { kind: 'plugin', name: 'packetparser', state: 'running', causes: [] },
    { kind: 'plugin', name: 'packetforward', state: 'running', causes: [] },
    {
      kind: 'plugin',
      name: 'dropreason',
      state: 'failed',
      causes: [{ code: 'RETINA_ATTACH_FAILED', message: 'the kernel refused tp_btf/kfree_skb; needed: PERFMON' }],
    },
    { kind: 'exporter', name: 'prometheus', state: 'running', causes: [] },
  ],
  taps: [
    { ifindex: 2, name: 'eth0', role: 'uplink', mode: 'tcx', peerNetns: 0 },
    ...['a', 'b', 'c', 'd', 'e'].map(
      (n, i) => ({ ifindex: 3 + i, name: `veth-${n}`, role: 'endpoint', mode: 'tcx', peerNetns: 9 }) as const,
    ),
    { ifindex: 9, name: 'veth-x', role: 'endpoint', mode: 'none', error: 'EBUSY', peerNetns: 0 },
  ],
  endpoints: ['http://localhost:10093/metrics'],
  losses: [{ stage: 'unattributed', unit: 'packets', count: 0, bytes: 0 }],
  unparsed: [],
  attributed: { packets: 123_456, bytes: 98_765_432 },
  flows: 321,
  process: { rssBytes: 88_000_000, cpuRatio: 0.012 },
};
const talker = (i: number): Talker => ({
  source: `demo/client-with-quite-a-long-name-${i}`,
  destination: `demo/server-${i}`,
  bytesPerSecond: 1e6 / (i + 1),
  packetsPerSecond: 1000 / (i + 1),
  bytes: 1e7,
  packets: 1e4,
});
const model: ScreenModel = {
  status,
  talkers: Array.from({ length: 40 }, (_, i) => talker(i)),
  drops: [{ reason: 'IPTABLE_RULE_DROP', direction: 'ingress', packetsPerSecond: 5, packets: 50, bytes: 21_000 }],
  notices: ['12:00:00 warn something happened'],
};

describe('renderScreen', () => {
  it.each([
    [80, 24],
    [120, 40],
    [200, 60],
  ])('fits %d x %d and says the essentials', (columns, rows) => {
    const lines = renderScreen(model, { columns, rows, colour: false });
    expect(lines.length).toBeLessThanOrEqual(rows);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(columns);
    const text = lines.join('\n');
    for (const expected of [
      'Retina 0.1.0',
      'http://localhost:10093/metrics',
      '1 uplink eth0 · 5 endpoints',
      '(tcx)',
      'dropreason: the kernel refused tp_btf/kfree_skb',
      'veth-x: EBUSY',
      'IPTABLE_RULE_DROP',
      'nothing lost',
      'Ctrl-C',
    ]) {
      expect(text).toContain(expected);
    }
  });

  it('colours without changing what is where', () => {
    const size = { columns: 100, rows: 30 };
    const plain = renderScreen(model, { ...size, colour: false });
    const coloured = renderScreen(model, { ...size, colour: true });
    expect(coloured.map(visibleLength)).toEqual(plain.map((line) => line.length));
    expect(coloured).not.toEqual(plain);
  });

  it('gives a larger screen to the talkers', () => {
    const shown = (rows: number) =>
      renderScreen(model, { columns: 120, rows, colour: false }).filter((l) => l.includes('→')).length;
    expect(shown(24)).toBeGreaterThanOrEqual(3);
    expect(shown(60)).toBe(40);
  });

  it('says so when something was lost', () => {
    const losses = [{ stage: 'unattributed', unit: 'packets', count: 12, bytes: 900 }];
    const text = renderScreen(
      { ...model, status: { ...status, losses } },
      { columns: 120, rows: 40, colour: false },
    ).join('\n');
    expect(text).toContain('12 packets unattributed (900 B)');
    expect(text).not.toContain('nothing lost');
  });
});
