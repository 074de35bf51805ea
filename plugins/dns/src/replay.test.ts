import { playPlugin, readRecording, replay, runPlugin } from '@retina/testkit';
import { describe, expect, it } from 'vitest';
import plugin from './index.ts';

const RECORDING = new URL('../fixtures/dns.bin', import.meta.url);
const own = (name: string) => `networkobservability_${name}`;

// the contract suite's traffic: 12 queries over UDP, 2 of them never answered, and 5 over TCP in pieces
describe('recorded messages', () => {
  it('become node totals, each message once', async () => {
    const { metrics } = await playPlugin(plugin, RECORDING);
    expect(metrics.one(own('dns_request_count'))).toBe(17);
    expect(metrics.one(own('dns_response_count'))).toBe(15);
    expect(metrics.by('return_code', own('dns_return_codes_total'))).toEqual({ NOERROR: 13, NXDOMAIN: 2 });
    expect(metrics.one(own('dns_latency_seconds_count'))).toBe(15);
    expect(metrics.one(own('dns_truncated_responses_total'))).toBe(1);
    const outcomes = { counted: 17 + 15, duplicate: 17 + 15 };
    expect(metrics.by('outcome', own('dns_tap_messages_total'))).toEqual(outcomes);
  });

  it('become series by name, type and answer', async () => {
    const { metrics } = await playPlugin(plugin, RECORDING);
    const by = (label: string, family: string) => metrics.by(label, own(family));
    expect(by('query', 'adv_dns_request_count')).toMatchInlineSnapshot(`
      {
        "a0.example.com.": 2,
        "a1.example.com.": 2,
        "a2.example.com.": 2,
        "a3.example.com.": 2,
        "a4.example.com.": 2,
        "a5.example.com.": 1,
        "chain.example.com.": 1,
        "cut.example.com.": 1,
        "drop0.example.com.": 1,
        "drop1.example.com.": 1,
        "nx0.example.com.": 1,
        "nx1.example.com.": 1,
      }
    `);
    expect(by('response', 'adv_dns_response_count')).toMatchInlineSnapshot(`
      {
        "": 3,
        "192.0.2.9": 12,
      }
    `);
    expect(by('direction', 'adv_dns_latency_seconds_count')).toEqual({ INGRESS: 15, EGRESS: 15 });
  });

  it('become labels as small as the options want them', async () => {
    const queries = async (queryLabels: Record<string, unknown>) => {
      const { metrics } = await playPlugin(plugin, RECORDING, { queryLabels, responseLabels: { mode: 'none' } });
      expect(metrics.by('response', own('adv_dns_response_count'))).toEqual({ '': 15 });
      return metrics.by('query', own('adv_dns_request_count'));
    };
    expect(await queries({ mode: 'none' })).toEqual({ '': 17 });
    expect(await queries({ mode: 'registrable' })).toEqual({ 'example.com.': 17 });
    expect(await queries({ mode: 'registrable', allow: ['drop*.example.com'] })).toEqual({
      'example.com.': 15,
      'drop0.example.com.': 1,
      'drop1.example.com.': 1,
    });
    const capped = await queries({ maxQueries: 2 });
    expect(capped).toEqual({ 'a0.example.com.': 2, 'a1.example.com.': 2, overflow: 13 });
  });

  it('become flow records at both pods’ interfaces', async () => {
    const { flows } = await playPlugin(plugin, RECORDING);
    expect(flows).toHaveLength(64);
    const chain = flows.filter(({ dns }) => dns?.query === 'chain.example.com' && dns.response);
    expect(chain.map(({ dns }) => dns!.cnames)).toEqual([['edge.example.net'], ['edge.example.net']]);
    expect(chain[0]!.dns).toMatchObject({
      query_type: 'A',
      response_code: 'NOERROR',
      ttl: 7,
      addresses: ['192.0.2.9'],
    });
  });

  it('of pods that nobody chose count for the node and nothing else', async () => {
    const { metrics, flows } = await playPlugin(plugin, RECORDING, {}, ['192.0.2.77']);
    expect(metrics.one(own('dns_request_count'))).toBe(17);
    expect(metrics.by('return_code', own('dns_return_codes_total'))).toEqual({ NOERROR: 13, NXDOMAIN: 2 });
    expect(metrics.one(own('dns_latency_seconds_count'))).toBe(15);
    expect([flows, metrics.select(own('adv_dns_request_count'))]).toEqual([[], []]);
    expect(metrics.one('retina_flow_not_selected_records_total', { component: 'dns' })).toBe(64);
  });

  it('of a pod that was chosen are reported as before, and names of others take no place among the labels', async () => {
    const recording = readRecording(RECORDING);
    // the first question, over IPv4, is about a name that nobody else asks for
    const asked = recording.batches.flatMap(({ bytes }) => {
      const found: Uint8Array[] = [];
      for (let at = -1; (at = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).indexOf('\x02a0\x07example', at + 1)) >= 0;)
        found.push(bytes.subarray(at + 1, at + 2));
      return found;
    }); // prettier-ignore
    for (const letter of asked.slice(0, 4)) letter[0] = 'z'.charCodeAt(0);
    const play = async (chosen?: readonly string[]) => {
      const played = replay(recording);
      await using running = await runPlugin(plugin, { queryLabels: { maxQueries: 5 } }, played);
      if (chosen) running.choose(chosen);
      played.play();
      return { flows: running.flows, queries: running.metrics.by('query', own('adv_dns_request_count')) };
    };
    const all = await play();
    expect(all.queries).toMatchObject({ 'z0.example.com.': 1, overflow: 8 });
    const wanted = all.flows.filter(({ IP }) => IP.ipVersion === 'IPv6');
    const { flows, queries } = await play([wanted[0]!.IP.source]);
    expect(queries).toEqual(Object.fromEntries([0, 1, 2, 3, 4].map((n) => [`a${n}.example.com.`, 1])));
    expect(flows.map(({ dns }) => dns)).toEqual(wanted.map(({ dns }) => dns));
  });
});
