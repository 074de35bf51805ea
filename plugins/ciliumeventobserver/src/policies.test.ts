import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AgentApi, ENDPOINT } from '../test/agent-api.ts';
import { until } from '../test/monitor.ts';
import type { PacketEvent } from './events.ts';
import { Match } from './names.ts';
import { PolicyNames, readEndpoint } from './policies.ts';

const [TCP, UDP, SCTP] = [6, 17, 132];
const verdict = (part: Partial<PacketEvent>) =>
  ({
    endpoint: 321,
    verdict: 0,
    ingress: true,
    audited: false,
    match: Match.L3_L4,
    port: 8080,
    protocol: TCP,
    ...part,
  }) as PacketEvent;

/** Asks until the agent has answered. */
async function of(names: PolicyNames, event: PacketEvent) {
  let found = names.of(event);
  await until('an answer', () => (found = names.of(event))?.[0] !== 'later');
  return found;
}

describe('the policy behind a verdict', () => {
  it('is named where a single one can have decided', async () => {
    await using api = await AgentApi.listen();
    using names = new PolicyNames(api.path);
    expect(names.of(verdict({}))).toEqual(['later', undefined]);
    const web = { kind: 'CiliumNetworkPolicy', namespace: 'shop', name: 'allow-web' };
    const shop = { kind: 'NetworkPolicy', namespace: 'shop', name: 'default' };
    const baseline = { kind: 'CiliumClusterwideNetworkPolicy', name: 'baseline' };
    expect(await of(names, verdict({}))).toEqual(['named', web]);
    expect(names.of(verdict({ verdict: 15001, match: Match.L4 }))).toEqual(['named', web]);
    expect(names.of(verdict({ verdict: -181 }))).toEqual(['named', web]);
    expect(names.of(verdict({ match: Match.L3, port: 1 }))).toEqual(['named', shop]);
    expect(names.of(verdict({ match: Match.ALL, protocol: UDP }))).toEqual(['named', shop]);
    expect(names.of(verdict({ protocol: UDP, port: 9050 }))).toEqual(['named', baseline]);
    expect(names.of(verdict({ ingress: false, match: Match.PROTOCOL }))).toEqual(['named', baseline]);
    expect(names.of(verdict({ protocol: SCTP }))).toEqual(['named', baseline]); // a port by name: it may be this one
    expect(api.asked).toEqual(['GET /v1/endpoint/cilium-local:321']);
  });

  it('is not named where several can have, or none is known', async () => {
    await using api = await AgentApi.listen();
    using names = new PolicyNames(api.path);
    expect(await of(names, verdict({ protocol: UDP, port: 53 }))).toEqual(['ambiguous', undefined]);
    expect(names.of(verdict({ port: 8081 }))).toEqual(['unknown', undefined]);
    expect(names.of(verdict({ protocol: UDP, port: 9101 }))).toEqual(['unknown', undefined]);
    for (const nothing of [{ verdict: -133 }, { match: Match.NONE }, { audited: true }]) {
      expect(names.of(verdict(nothing))).toBeUndefined();
    }
  });

  it('is asked for again when rules have changed, or what is known is old', async () => {
    let now = 0;
    await using api = await AgentApi.listen();
    using names = new PolicyNames(api.path, () => now);
    await of(names, verdict({}));
    now += 31_000;
    expect(names.of(verdict({}))?.[0]).toBe('named'); // what was true until now, while it asks
    await until('asked again', () => api.asked.length === 2);
    await of(names, verdict({}));
    names.forget();
    expect(names.of(verdict({}))?.[0]).toBe('later');
    await until('asked a third time', () => api.asked.length === 3);
  });

  it('asks a few at a time, and takes a bad answer for none', async () => {
    const waiting: (() => void)[] = [];
    await using api = await AgentApi.listen((response) => void waiting.push(() => response.writeHead(404).end('{}')));
    using names = new PolicyNames(api.path);
    for (let endpoint = 1; endpoint < 100; endpoint++)
      expect(names.of(verdict({ endpoint }))).toEqual(['later', undefined]);
    await until('four questions', () => waiting.length === 4);
    for (const answer of waiting.splice(0)) answer();
    expect(await of(names, verdict({ endpoint: 1 }))).toEqual(['unavailable', undefined]);
    using nobody = new PolicyNames(`${api.path}.none`);
    expect(await of(nobody, verdict({}))).toEqual(['unavailable', undefined]);
    await using endless = await AgentApi.listen((response) => {
      const more = () => void (response.destroyed || response.write(Buffer.alloc(1 << 20, ' '), more));
      more();
    });
    using patient = new PolicyNames(endless.path);
    expect(await of(patient, verdict({}))).toEqual(['unavailable', undefined]);
  });

  it('is read from whatever the agent answers', () => {
    expect(readEndpoint(JSON.parse(ENDPOINT)).ingress).toHaveLength(5);
    fc.assert(fc.property(fc.jsonValue(), (value) => {
      const like = { status: { policy: { realized: { l4: { ingress: [value], egress: value } } } } };
      for (const answer of [value, like]) for (const rules of Object.values(readEndpoint(answer))) expect(rules).toBeInstanceOf(Array);
    })); // prettier-ignore
  });
});
