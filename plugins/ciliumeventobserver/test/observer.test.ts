import { runPlugin, type RunningPlugin } from '@retina/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import plugin from '../src/index.ts';
import { AgentApi } from './agent-api.ts';
import { Monitor, RECORDED, STREAM, until } from './monitor.ts';

const PREFIX = 'networkobservability_cilium_';
let monitor: Monitor;

beforeEach(() => void (monitor = new Monitor()));
afterEach(() => monitor[Symbol.asyncDispose]());

const start = (options: Record<string, unknown> = {}) =>
  runPlugin(plugin, {
    monitorSockPath: monitor.path,
    reconnectMs: 10,
    reconnectMaxMs: 50,
    policySockPath: '',
    ...options,
  });
const metric = (running: RunningPlugin, name: string, labels: Record<string, string> = {}) =>
  running.metrics.sum(PREFIX + name, labels);
const connected = (running: RunningPlugin) =>
  until('connected', () => metric(running, 'connected') === 1 && running.health.state === 'running');

/** Events of the recording that become flow records: those that Cilium's parser can read, and one it no longer can. */
const OLD = 'policy verdict of Cilium before 1.19';
const FLOWS = RECORDED.filter(({ what, flow }) => what === OLD || (flow && what !== 'drop of ARP'));

describe('what Cilium sent', () => {
  it('becomes flow records that say what Cilium’s own parser says', async () => {
    await monitor.listen();
    await using running = await start();
    await monitor.send(STREAM);
    await until('all records', () => running.flows.length === FLOWS.length);
    for (const [i, { what, flow: theirs }] of FLOWS.entries()) {
      if (!theirs) continue;
      const ours = running.flows[i]!;
      const { verdict, IP, l4, is_reply, interface: device, drop_reason_desc } = theirs;
      const forwarded = verdict === 'REDIRECTED' || verdict === 'AUDIT' ? 'FORWARDED' : (verdict ?? 'VERDICT_UNKNOWN');
      expect.soft(ours.verdict, what).toBe(forwarded);
      const { source, destination, ipVersion } = IP!;
      expect.soft(ours.IP, what).toMatchObject({ source, destination, ipVersion });
      expect.soft(ours.l4, what).toMatchObject(icmpWhole(l4!));
      expect.soft(ours.is_reply, what).toBe(is_reply);
      if (theirs.event_type.type < 128 && ours.verdict !== 'DROPPED')
        expect.soft(ours.interface?.index, what).toBe(device?.index);
      if (typeof drop_reason_desc === 'string') expect.soft(ours.drop_reason_desc, what).toBe(drop_reason_desc);
    }
  });

  it('has details, and packets only where every one has an event', async () => {
    await monitor.listen();
    await using running = await start();
    await monitor.send(STREAM);
    await until('all records', () => running.flows.length === FLOWS.length);
    const of = (what: string) => running.flows[FLOWS.findIndex((event) => event.what === what)]!;
    expect(of('drop, policy denied, on the way out')).toMatchObject({
      packets: 1, bytes: 1060, traffic_direction: 'EGRESS', drop_location: 'bpf_lxc.c:1382', tcp_flag_counts: { SYN: 1 },
    }); // prettier-ignore
    expect(of('drop, denied by a deny rule, on the way in, IPv6').traffic_direction).toBe('INGRESS');
    expect(of('drop of version 2, no route')).toMatchObject({
      traffic_direction: 'TRAFFIC_DIRECTION_UNKNOWN', drop_location: 'bpf_host.c:1382', reason: 'error -3',
    }); // prettier-ignore
    expect(of('drop, a reason nobody knows yet').drop_reason_desc).toBe('DROP_REASON_249');
    expect(of('trace to endpoint, reply')).toMatchObject({
      packets: 0, bytes: 0, trace_observation_point: 'TO_ENDPOINT', traffic_direction: 'INGRESS', reason: 'to-endpoint, reply',
    }); // prettier-ignore
    const reasons = {
      'trace to stack, established, encrypted': 'to-stack, established, encrypted',
      'trace to network, source translated': 'to-network, new, source translated',
      'trace to proxy': 'to-proxy, established, port 15001',
      'policy verdict, allowed on the way in by L3 and L4': 'policy verdict, allowed, match L3-L4, from identity 4711',
      'policy verdict, denied on the way out': 'policy verdict, denied, match none, to identity 4711',
      'policy verdict, redirected': 'policy verdict, redirected to proxy port 15002, match L4-Only, to identity 4711',
      'policy verdict, audited, authentication asked for, IPv6':
        'policy verdict, audited, match L3-Only, authentication spire, from identity 4711',
      'capture, delivery': 'capture, delivery',
      'HTTP request': 'proxy, forwarded, HTTP GET',
      'HTTP response, denied': 'proxy, denied, HTTP GET 403',
    };
    for (const [what, reason] of Object.entries(reasons)) expect.soft(of(what).reason, what).toBe(reason);
    expect(of(OLD)).toMatchObject({
      verdict: 'DROPPED',
      drop_reason_desc: 'POLICY_DENIED',
      l4: { UDP: { destination_port: 53 } },
    });
    expect(of('DNS query').dns).toEqual({ id: 0, response: false, query: 'example.com', query_type: 'AAAA' });
    expect(of('DNS answer').dns).toEqual({
      id: 0, response: true, query: 'example.com', query_type: 'AAAA', response_code: 'NOERROR', ttl: 300, answers: 3,
      addresses: ['93.184.216.34', '2606:2800:220:1::1'], cnames: ['edge.example.net'],
    }); // prettier-ignore
    expect(JSON.stringify(running.flows)).not.toContain('secret');
  });

  it('has the names of policies where the agent has told them', async () => {
    await using api = await AgentApi.listen();
    await monitor.listen();
    await using running = await start({ policySockPath: api.path });
    const lookups = (result: string) => metric(running, 'policy_lookups_total', { result });
    for (let round = 1; lookups('named') === 0; round++) {
      await until(`connection ${round}`, () => monitor.connections === round);
      await monitor.send(STREAM);
      monitor.hangUp();
      await until(`records of round ${round}`, () => running.flows.length === round * FLOWS.length);
    }
    const named = running.flows.filter(({ policies }) => policies);
    expect(named).toHaveLength(lookups('named'));
    expect(named[0]).toMatchObject({
      reason: 'policy verdict, allowed, match L3-L4, from identity 4711',
      policies: [{ kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'allow-web' }],
    });
    expect(new Set(api.asked)).toEqual(new Set(['GET /v1/endpoint/cilium-local:321']));
  });

  it('is counted once, whole, and by kind', async () => {
    await monitor.listen();
    await using running = await start();
    await monitor.send(STREAM);
    await until('all records', () => running.flows.length === FLOWS.length);
    const total = (name: string) => running.metrics.by('type', PREFIX + name);
    expect(total('events_total')).toEqual({
      drop: 8, trace: 11, 'policy-verdict': 5, capture: 1, debug: 1, 'trace-sock': 1, agent: 1, l7: 4,
    }); // prettier-ignore
    expect(total('events_unused_total')).toEqual({ drop: 2, debug: 1, 'trace-sock': 1, agent: 1 });
    expect(metric(running, 'events_unused_total', { type: 'drop', cause: 'not_ip' })).toBe(1);
    expect(metric(running, 'events_unused_total', { type: 'drop', cause: 'no_packet' })).toBe(1);
    expect(metric(running, 'events_total')).toBe(
      metric(running, 'flow_records_total') + metric(running, 'events_unused_total'),
    );
    expect(metric(running, 'events_lost_total')).toBe(1_234_567);
    expect(metric(running, 'messages_skipped_total')).toBe(0);
  });

  it('is left out where the configuration does not want it', async () => {
    await monitor.listen();
    await using running = await start({ events: ['drop'] });
    await monitor.send(STREAM);
    await until('all events', () => metric(running, 'events_total') === RECORDED.length);
    await until('all records', () => running.flows.length === 6);
    expect(metric(running, 'events_unused_total', { cause: 'not_wanted' })).toBe(RECORDED.length - 8);
  });
});

describe('a socket that comes and goes', () => {
  it('is waited for, and said to be missing meanwhile', async () => {
    await using running = await start();
    expect(running.health).toMatchObject({ state: 'degraded', causes: [{ code: 'RETINA_SOURCE_UNREACHABLE' }] });
    expect(running.health.causes[0]!.message).toContain(monitor.path);
    await until('several attempts', () => metric(running, 'disconnects_total', { cause: 'missing' }) > 3);
    await monitor.listen();
    await connected(running);
    await monitor.send(STREAM);
    await until('all records', () => running.flows.length === FLOWS.length);
  });

  it('is read from its beginning after it closed within a message', async () => {
    await monitor.listen();
    await using running = await start();
    for (let round = 1; round <= 3; round++) {
      await until(`connection ${round}`, () => monitor.connections === round);
      await connected(running);
      await monitor.send(STREAM.subarray(0, STREAM.length - 1));
      monitor.hangUp();
      await until('cut', () => metric(running, 'disconnects_total', { cause: 'cut' }) === round);
    }
    await until('a fourth connection', () => monitor.connections === 4);
    await until('all whole records', () => running.flows.length === 3 * (FLOWS.length - 1));
  });

  it('is left where what it says cannot be followed, and tried again', async () => {
    await monitor.listen();
    await using running = await start();
    await monitor.send(Buffer.from('HTTP/1.1 400 Bad Request\r\n'.repeat(10)));
    await until('left', () => metric(running, 'disconnects_total', { cause: 'protocol' }) >= 1);
    await until('connected again', () => monitor.connections >= 2);
    await connected(running);
    await monitor.send(STREAM);
    await until('all records', () => running.flows.length === FLOWS.length);
  });

  it('is found again after the agent restarted', async () => {
    await monitor.listen();
    await using running = await start();
    await connected(running);
    await monitor.close();
    await until('gone', () => running.health.state === 'degraded' && metric(running, 'connected') === 0);
    await monitor.listen();
    await connected(running);
    await monitor.send(STREAM.subarray(0, 20), STREAM.subarray(20));
    await until('all records', () => running.flows.length === FLOWS.length);
  });

  it('may send faster than it is read: nothing is lost on this side', async () => {
    await monitor.listen();
    await using running = await start({ events: ['drop'] });
    const rounds = 200;
    for (let round = 0; round < rounds; round++) {
      await until('connected', () => monitor.connections > round);
      await monitor.send(STREAM);
      monitor.hangUp();
    }
    await until('all events', () => metric(running, 'events_total') === rounds * RECORDED.length);
    await until('all records', () => running.flows.length === rounds * 6);
  });
});

/** protojson leaves out zeroes. */
function icmpWhole(l4: Readonly<Record<string, Readonly<Record<string, unknown>>>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(l4).map(([name, fields]) => [
      name,
      name.startsWith('ICMP') ? { type: 0, code: 0, ...fields } : fields,
    ]),
  );
}
