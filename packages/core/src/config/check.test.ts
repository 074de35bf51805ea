import { expect, test } from 'vitest';
import { z } from 'zod';
import { exporter, plugin } from '../host/testing.ts';
import { checkConfig } from './check.ts';
import { ConfigError } from './problem.ts';

const components = {
  flows: plugin('flows', {
    config: z.object({
      conntrackReportInterval: z.string().default('30s'),
      intervalMs: z.number().min(100).default(1000),
      mode: z.enum(['low', 'high']).default('low'),
    }),
    metrics: { adv_forward_count: { kind: 'counter', scope: 'pod', option: 'forward_count', help: 'Packets.' } },
    setup: () => undefined,
  }),
  again: plugin('flows', { setup: () => undefined }),
  out: exporter('out', { config: z.object({ port: z.int().default(1) }), setup: () => undefined }),
};

async function check(text: string) {
  try {
    const { config, warnings } = await checkConfig({ text, environment: {} }, { components });
    return { config, problems: [], warnings };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { config: undefined, problems: error.problems, warnings: [] };
  }
}

test('mistakes in the options of plugins and exporters stand beside those of the host', async () => {
  const { problems } = await check(`plugins:
  flows:
    mod: high
    intervalMs: 1
  packetparsr: {}
  again: {}
exporters:
  out: {port: http}
enablePodLevl: true
metricsConfiguration:
  contextOptions: [{metricName: forward_cont}]
logLevel: loud
`);
  expect(problems.map(({ path, line, nearest }) => [path, line, nearest])).toEqual([
    ['plugins.flows.mod', 3, 'mode'],
    ['plugins.flows.intervalMs', 4, undefined],
    ['plugins.packetparsr', 5, 'packetparser'],
    ['plugins.again', 6, undefined],
    ['exporters.out.port', 8, undefined],
    ['enablePodLevl', 9, 'enablePodLevel'],
    ['metricsConfiguration.contextOptions[0].metricName', 11, 'forward_count'],
    ['logLevel', 12, undefined],
  ]);
});

test("flat keys reach the plugins that declare them, in the form they take; the original's names are no mistakes", async () => {
  const { problems, warnings } = await check(`enabledPlugin: [flows, pktmon]
conntrackReportInterval: 10s
metricsIntervalDuration: 2s
exporters: {out: {}}
enablePodLevel: true
metricsConfiguration: {contextOptions: [{metricName: forward_count}, {metricName: dns_request_count}]}
`);
  expect(problems).toEqual([]);
  expect(warnings.map(({ path, message }) => [path, message])).toEqual([
    ['enabledPlugin[1]', 'the plugin pktmon is not installed and will not run'],
    ['metricsConfiguration.contextOptions[1].metricName', 'has no effect: no enabled plugin produces it'],
  ]);
});

test('in a cluster a package that the image does not have costs that plugin; a plain name is still a mistake', async () => {
  const text = "plugins: {flows: {}, '@acme/none': {}, packetparsr: {}}\nexporters: {out: {}}\n";
  const host = await check(text);
  expect(host.problems.map(({ path }) => path).sort()).toEqual(['plugins.@acme/none', 'plugins.packetparsr']);
  const cluster = await check(`${text}kubernetes: {enabled: true}\n`);
  expect(cluster.problems.map(({ path }) => path)).toEqual(['plugins.packetparsr']);
  const right = await check(`${text.replace(', packetparsr: {}', '')}kubernetes: {enabled: true}\n`);
  expect(right.warnings.map(({ message }) => message)).toEqual([
    expect.stringMatching(/^RETINA_PLUGIN_NOT_FOUND: .*@acme\/none is installed; it will not run, the others will$/),
  ]);
});
