import { describe, expect, test } from 'vitest';
import { defaultConfig } from './default.ts';
import { parseDuration } from './duration.ts';
import { loadConfig, parseConfig } from './load.ts';
import { ConfigError } from './problem.ts';

const parse = (text: string, environment = {}) => parseConfig({ text, environment });
const problemsOf = (text: string, environment = {}) => parse(text, environment).problems;

describe('mistakes', () => {
  test('all are reported at once, each with its line, in the order of the file', () => {
    const text = `plugins:
  packetparser:
    required: perhaps
exporter: {}
taps:
  extra: lo
  exlude: [eth9]
logLevel: wran
metricsIntervalDuration: 10
conntrackReportInterval: 5ms
dataSamplingRate: 0
`;
    const found = problemsOf(text).map(({ path, line, nearest }) => [path, line, nearest]);
    expect(found).toEqual([
      ['plugins.packetparser.required', 3, undefined],
      ['exporter', 4, 'exporters'],
      ['taps.extra', 6, undefined],
      ['taps.exlude', 7, 'exclude'],
      ['logLevel', 8, 'warn'],
      ['metricsIntervalDuration', 9, undefined],
      ['conntrackReportInterval', 10, undefined],
      ['dataSamplingRate', 11, undefined],
    ]);
    const error = catchError(() => loadConfig({ file: 'retina.yaml', text, environment: {} }));
    expect(error.code).toBe('RETINA_CONFIG_INVALID');
    expect(error.problems).toHaveLength(8);
    expect(error.message).toContain('retina.yaml:8:11 logLevel');
    expect(error.message).toContain('did you mean warn?');
  });

  test.each([
    ['not a mapping', '- a', /mapping/],
    ['broken YAML', 'a: [1', /YAML/],
    ['a key that stands twice', 'logLevel: info\nlogLevel: warn', /YAML/],
    ['include and exclude', 'metricsConfiguration: {namespaces: {include: [a], exclude: [b]}}', /mutually exclusive/],
    ['an API server without a port', 'apiServers: ["10.0.0.1"]', /an address and a port such as/],
    ['an API server by name', 'apiServers: ["kubernetes.default:443"]', /an address and a port such as/],
    ['an IPv6 API server without brackets', 'apiServers: ["fd00::1:6443"]', /an address and a port such as/],
    ['a port beyond its range', 'apiServers: ["[fd00::1]:65536"]', /an address and a port such as/],
    ['a scope of kernel events', 'kernelEvents: {namespaces: own}', /not one of/],
    ['an empty pattern', 'taps: {extra: [""]}', /small/],
    ['another form', 'api: {socket: 3}', /form/],
    ['a value beyond its range', 'apiServer: {port: 70000}', /big/],
    ['a context label', 'metricsConfiguration: {contextOptions: [{metricName: x, sourceLabels: [pod]}]}', /not one of/],
    ['a level of aggregation the original would fall back on', 'dataAggregationLevel: medium', /not one of/],
  ])('%s', (_, text, message) => {
    const found = problemsOf(text);
    expect(found).toHaveLength(1);
    expect(found[0]!.message).toMatch(message);
  });

  test('an unreadable file says so', () => {
    expect(() => loadConfig({ file: '/nowhere/retina.yaml' })).toThrow(/cannot be read.*ENOENT/s);
  });
});

describe("the original's ConfigMap", () => {
  const CONFIG_MAP = `apiServer:
  host: 0.0.0.0
  port: 10093
logLevel: debug
enabledPlugin: ["dropreason","packetforward","packetparser"]
metricsInterval: 10
metricsIntervalDuration: 10s
enableTelemetry: false
enableRetinaEndpoint: true
enablePodLevel: true
remoteContext: false
enableAnnotations: false
bypassLookupIPOfInterest: true
dataAggregationLevel: low
telemetryInterval: 15m
dataSamplingRate: 1
conntrackReportInterval: 30s
enableConntrackMetrics: true
packetParserRingBuffer: disabled
packetParserRingBufferSize: 8388608
filterMapMaxEntries: 255
enableTCX: "off"
`;

  test('is understood whole', () => {
    const { config, problems, warnings } = parse(CONFIG_MAP);
    expect(problems).toEqual([]);
    expect(Object.keys(config.plugins)).toEqual(['dropreason', 'packetforward', 'packetparser']);
    expect(config.plugins['packetparser']!.inherited).toMatchObject({
      dataAggregationLevel: 'low',
      conntrackReportInterval: 30_000,
      enableConntrackMetrics: true,
      intervalMs: 10_000,
    });
    expect(config.exporters).toEqual({
      prometheus: { required: false, options: {}, inherited: { host: '0.0.0.0', port: 10093 } },
    });
    expect(config).toMatchObject({
      podLevel: 'local',
      metricsIntervalMs: 10_000,
      taps: { mode: 'clsact' },
      logLevel: 'debug',
    });
    expect(warnings.map(({ path }) => path).sort()).toEqual([
      'enableRetinaEndpoint', 'filterMapMaxEntries', 'metricsInterval', 'packetParserRingBuffer',
      'packetParserRingBufferSize', 'telemetryInterval',
    ]); // prettier-ignore
  });

  test('what would be ignored is a warning', () => {
    const { warnings } = parse(`plugins: {x: {}}
exporters: {prometheus: {port: 1}}
apiServer: {port: 2}
remoteContext: true
metricsConfiguration: {contextOptions: [{metricName: forward_count}]}
`);
    expect(warnings.map(({ path, line }) => [path, line])).toEqual([
      ['metricsConfiguration', 5],
      ['remoteContext', 4],
      ['apiServer.port', 3],
    ]);
  });

  test('MetricsConfiguration keeps its shape; labels in any case, TTL as a duration', () => {
    const { config } = parse(`enablePodLevel: true
remoteContext: true
metricsConfiguration:
  contextOptions: [{metricName: drop_count, sourceLabels: [IP, PodName], additionalLabels: [is_reply], ttl: 1m}]
  namespaces: {exclude: [kube-system]}
`);
    expect(config.podLevel).toBe('remote');
    expect(config.metricsConfiguration).toEqual({
      contextOptions: [
        { metricName: 'drop_count', sourceLabels: ['ip', 'podname'], destinationLabels: [], additionalLabels: ['is_reply'], ttlMs: 60_000 },
      ], // prettier-ignore
      namespaces: { exclude: ['kube-system'] },
    });
  });
});

describe('the environment', () => {
  test('wins over the file; values are YAML, lists may be separated by commas or spaces', () => {
    const { config } = parse('logLevel: info\ntaps: {extra: [a]}', {
      RETINA_LOGLEVEL: 'error',
      RETINA_APISERVER_PORT: '9090',
      RETINA_ENABLEPODLEVEL: 'true',
      RETINA_TAPS_EXTRA: 'lo,eth*',
      RETINA_ENABLEDPLUGIN: '["packetparser"]',
    });
    expect(config.logLevel).toBe('error');
    expect(config.exporters['prometheus']!.inherited).toEqual({ port: 9090 });
    expect(config.podLevel).toBe('local');
    expect(config.taps.extra).toEqual(['lo', 'eth*']);
    expect(Object.keys(config.plugins)).toEqual(['packetparser']);
  });

  test('a mistake names the variable, a near miss is a warning, a stranger is none of ours', () => {
    const { problems, warnings } = parse('plugins: {x: {}}', {
      RETINA_APISERVER_PORT: 'ten',
      RETINA_LOGLEVL: 'info',
      RETINA_AGENT_IMAGE: 'x',
    });
    expect(problems.map(({ path }) => path)).toEqual(['RETINA_APISERVER_PORT (apiServer.port)']);
    expect(warnings.map(({ path, nearest }) => [path, nearest])).toEqual([['RETINA_LOGLEVL', 'RETINA_LOGLEVEL']]);
  });
});

test('the built-in configuration is valid without a warning, frozen, and takes the environment', () => {
  const { config, warnings } = defaultConfig({ RETINA_APISERVER_PORT: '1234' });
  expect(warnings).toEqual([]);
  expect(Object.isFrozen(config.plugins['packetparser'])).toBe(true);
  expect(config.exporters['prometheus']!.inherited).toEqual({ port: 1234 });
});

test.each([
  ['10s', 10_000], ['1m30s', 90_000], ['500ms', 500], ['1.5h', 5_400_000], ['100us', 0.1], ['0', 0],
  ['10', undefined], ['', undefined], ['s', undefined], ['-1s', undefined], ['1s ', undefined],
])('duration %j', (text, ms) => expect(parseDuration(text)).toBe(ms)); // prettier-ignore

function catchError(run: () => unknown): ConfigError {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error;
  }
  throw new Error('expected a ConfigError');
}
