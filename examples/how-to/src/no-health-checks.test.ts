import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Endpoint, type EndpointReader, FlowEvent, FlowWriter, Verdict } from '@retina/sdk';
import { exporterContract, fileReceiver } from '@retina/testkit';
import { afterAll, expect, it } from 'vitest';
import exporter, { healthChecks } from './no-health-checks.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'retina-quiet-'));
let file = path.join(folder, 'flows.jsonl');
afterAll(() => rmSync(folder, { recursive: true }));

exporterContract(exporter, {
  module: import.meta.resolve('./no-health-checks.ts'),
  options: { file },
  // What becomes of every record: a file takes what comes.
  receiver: fileReceiver({
    options: (there) => ({ file: (file = there) }),
    count: (text) => text.split('\n').filter((line) => line.includes('"IP"')).length,
  }),
  refused: [{ file: '' }, { ports: [0] }, { ports: 8080 }],
  check: () => {
    const [first] = readFileSync(file, 'utf8').split('\n');
    expect(JSON.parse(first!)).toHaveProperty('IP.source');
    return Promise.resolve();
  },
});

const KINDS = ['unknown', 'pod', 'node', 'host', 'world'] as const;
const [, POD, NODE, HOST, WORLD] = [0, 1, 2, 3, 4];
const endpoints = { byId: (id: number) => ({ id, kind: KINDS[id] }) as unknown as Endpoint } as EndpointReader;

it.each([
  ['a probe of a node', { sourceEndpoint: NODE, destinationEndpoint: POD, destinationPort: 8080 }, true],
  ['its answer', { sourceEndpoint: POD, destinationEndpoint: NODE, sourcePort: 8080 }, true],
  ['a probe of this host', { sourceEndpoint: HOST, destinationEndpoint: POD, destinationPort: 8080 }, true],
  ['another port', { sourceEndpoint: NODE, destinationEndpoint: POD, destinationPort: 443 }, false],
  ['another pod that asks', { sourceEndpoint: POD, destinationEndpoint: POD, destinationPort: 8080 }, false],
  ['the world that asks', { sourceEndpoint: WORLD, destinationEndpoint: POD, destinationPort: 8080 }, false],
  ['one that was dropped', { sourceEndpoint: NODE, destinationEndpoint: POD, destinationPort: 8080, verdict: Verdict.DROPPED }, false],
  ['one that was reset', { sourceEndpoint: NODE, destinationEndpoint: POD, destinationPort: 8080, event: FlowEvent.RESET }, false],
])('%s', (_, values, expected) => {
  const writer = new FlowWriter(1);
  writer.add({ verdict: Verdict.FORWARDED, ...values });
  expect(healthChecks(endpoints, new Set([8080]))(writer.batch(), 0)).toBe(expected);
}); // prettier-ignore
