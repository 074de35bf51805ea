// Runs inside a namespace: a host and nothing else. It answers a line with a line, and ends when its input does.
import { createInterface } from 'node:readline';
import { flowJson, type FlowJson, type FlowNames, Host, loadConfig } from '@retina/core';
import { patience } from '../world/run.ts';
import { renderMetrics } from './metric-text.ts';
import { untypedLoader } from './untyped-loader.ts';

const SETUP_MS = 10_000;

const host = await Host.start(loadConfig({ text: process.argv[2]!, environment: {} }).config, {
  limits: { setupMs: SETUP_MS * patience },
  ...(process.argv[4] === 'false' && { loader: untypedLoader() }),
});
const flows: FlowJson[] = [];
const names: FlowNames = {
  endpoint: (id) => host.endpoints.byId(id),
  label: (id) => host.labelText(id),
  addressNames: (address) => host.names.of(address),
  translations: {
    of: (batch, row) => host.flows.translations.of(batch, row),
    endpoint: (words) => host.endpoints.byId(host.endpoints.find(...words)),
  },
};
if (process.argv[3] !== 'false') {
  host.flows.addSink('test', (batch) => {
    for (let row = 0; row < batch.length; row++) flows.push(flowJson(batch, row, names));
  });
}
const answers: Readonly<Record<string, () => unknown>> = {
  metrics: () => renderMetrics(host.metrics),
  flows: () => flows.splice(0),
  taps: () => host.tapList(),
  health: () => host.health(),
};
process.stdout.write('ready\n');
for await (const line of createInterface(process.stdin)) {
  const [id, question = ''] = line.split(' ');
  process.stdout.write(`${id} ${JSON.stringify(answers[question]?.())}\n`);
}
await host.stop();
process.exit();
