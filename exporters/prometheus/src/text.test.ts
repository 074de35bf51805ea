import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { MetricFamily, MetricReader } from '@retina/sdk';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { family, type FamilyRow as Row } from '@retina/testkit';
import { escapeLabel, formatValue, renderText } from './text.ts';

const reader = (...families: MetricFamily[]): MetricReader => ({ families: () => families });
const render = (...families: MetricFamily[]) => [...renderText(reader(...families))].join('');

/** Reads one sample line as a scraper does. */
function parseLine(line: string): { name: string; labels: [string, string][]; value: number } {
  const name = /^[a-zA-Z_:][a-zA-Z0-9_:]*/.exec(line)![0];
  let at = name.length;
  const labels: [string, string][] = [];
  if (line[at] === '{') {
    at++;
    while (line[at] !== '}') {
      const label = /[a-zA-Z_][a-zA-Z0-9_]*/y;
      label.lastIndex = at;
      const key = label.exec(line)![0];
      at += key.length;
      expect(line.slice(at, at + 2)).toBe('="');
      at += 2;
      let value = '';
      for (; line[at] !== '"'; at++) {
        if (line[at] === '\\') value += { n: '\n', '\\': '\\', '"': '"' }[line[++at]!]!;
        else value += line[at];
      }
      labels.push([key, value]);
      at++;
      if (line[at] === ',') at++;
    }
    at++;
  }
  expect(line[at]).toBe(' ');
  const number = line.slice(at + 1);
  return { name, labels, value: { '+Inf': Infinity, '-Inf': -Infinity, NaN }[number] ?? Number(number) };
}

describe('the text format', () => {
  it('is exactly this', () => {
    const histogram = { bounds: [0.5, 1], counts: [1, 3, 4], sum: 7.25 };
    const text = render(
      family('networkobservability_forward_count', ['direction'], [[['ingress'], 12], [['egress'], 9_007_199_254_740_991]], { kind: 'counter', help: 'Packets\\bytes\nseen.' }), // prettier-ignore
      family('networkobservability_empty', ['a'], []),
      family('up', [], [[[], 1]]),
      family('latency', ['zone'], [[['z"1\\'], 0]], { kind: 'histogram', histogram: () => histogram }),
      family('bare', [], [[[], 0]], { kind: 'histogram', histogram: () => histogram }),
      family('hole', ['a'], [[['x'], NaN], [['y'], 2], [['z\n'], -Infinity]], { live: (i) => i !== 1 }),
    ); // prettier-ignore
    expect(text).toBe(`# HELP networkobservability_forward_count Packets\\\\bytes\\nseen.
# TYPE networkobservability_forward_count counter
networkobservability_forward_count{direction="ingress"} 12
networkobservability_forward_count{direction="egress"} 9007199254740991
# HELP up Help of up.
# TYPE up gauge
up 1
# HELP latency Help of latency.
# TYPE latency histogram
latency_bucket{zone="z\\"1\\\\",le="0.5"} 1
latency_bucket{zone="z\\"1\\\\",le="1"} 3
latency_bucket{zone="z\\"1\\\\",le="+Inf"} 4
latency_sum{zone="z\\"1\\\\"} 7.25
latency_count{zone="z\\"1\\\\"} 4
# HELP bare Help of bare.
# TYPE bare histogram
bare_bucket{le="0.5"} 1
bare_bucket{le="1"} 3
bare_bucket{le="+Inf"} 4
bare_sum 7.25
bare_count 4
# HELP hole Help of hole.
# TYPE hole gauge
hole{a="x"} NaN
hole{a="z\\n"} -Inf
`);
  });

  it('carries any label value and number there and back', () => {
    const text = fc.string({ unit: fc.oneof(fc.constantFrom('\\', '"', '\n', '\r', '\0', '{', '}', ',', '=', 'n', '\u2028', '💥'), fc.string({ minLength: 1, maxLength: 1 })) }); // prettier-ignore
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.tuple(text, text), fc.double()), { minLength: 1, maxLength: 20 }), (rows) => {
        const lines = render(family('m', ['a', 'b_c'], rows))
          .split('\n')
          .slice(2, -1);
        expect(lines).toHaveLength(rows.length);
        rows.forEach(([[a, b], value], i) => {
          const sample = parseLine(lines[i]!);
          expect(sample.labels).toEqual([['a', a], ['b_c', b]]); // prettier-ignore
          expect(sample.value === 0 ? 0 : sample.value).toEqual(value === 0 ? 0 : value);
        });
      }),
    );
  });

  it('comes in pieces, so that the caller may pause', () => {
    const rows = Array.from({ length: 1_000 }, (_, i): Row => [[`v${i}`], i]);
    const pieces = [...renderText(reader(family('m', ['a'], rows)))];
    expect(pieces.length).toBeGreaterThan(3);
    expect(pieces.join('').trimEnd().split('\n')).toHaveLength(1_002);
    const bounds = Array.from({ length: 30 }, (_, i) => 2 ** i);
    const histogram = () => ({ bounds, counts: new Array<number>(31).fill(1), sum: 1 });
    const wide = [...renderText(reader(family('h', ['a'], rows, { kind: 'histogram', histogram })))];
    expect(Math.max(...wide.map((piece) => piece.split('\n').length))).toBeLessThan(320);
    expect(wide.join('').trimEnd().split('\n')).toHaveLength(33_002);
  });

  it.runIf(existsSync('/usr/bin/promtool'))('is what promtool reads', () => {
    const hostile = ['"', '\\', '\n', '\\n"', '\u0000\u001b[2J', '💥', '}{', '\ud800'];
    const rows = hostile.map((value, i): Row => [[value], i + 0.5]);
    const histogram = { bounds: [0.5, 1], counts: [1, 3, 4], sum: 7.25 };
    const text = render(
      family('retina_hostile', ['value'], rows),
      family('retina_latency_seconds', [], [[[], 0]], { kind: 'histogram', histogram: () => histogram }),
      family('retina_things_total', [], [[[], 1e300]], { kind: 'counter' }),
    );
    expect(execFileSync('/usr/bin/promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })).toBe('');
  });

  it('writes numbers as Go reads them', () => {
    expect([0, -0, 1.5, 1e21, 2 ** 53, Infinity, -Infinity, NaN].map(formatValue)).toEqual(['0', '0', '1.5', '1e+21', '9007199254740992', '+Inf', '-Inf', 'NaN']); // prettier-ignore
    expect(escapeLabel('plain')).toBe('plain');
  });
});
