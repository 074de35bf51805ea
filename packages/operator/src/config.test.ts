import { RetinaError } from '@retina/sdk';
import { expect, it } from 'vitest';
import { parseOperatorConfig } from './config.ts';
import { parseAddress, parseFlags } from './flags.ts';

it('takes the original’s keys with their defaults, and durations of both forms', () => {
  const { config, warnings } = parseOperatorConfig(
    'installCRDs: false\nremoteContext: true\nlogLevel: debug\ntelemetryInterval: 5m0s\nretinaEndpoints: {resyncInterval: 1h30m}\n',
    'file',
  );
  expect(config).toMatchObject({
    installCRDs: false,
    enableRetinaEndpoint: true,
    remoteContext: true,
    logLevel: 'debug',
  });
  expect(config.retinaEndpoints.resyncInterval).toBe(5_400_000);
  expect(config.leaderElection).toMatchObject({ enabled: true, name: '16937e39.retina.sh', retryPeriod: 2000 });
  expect(warnings).toEqual([]);
  expect(parseOperatorConfig('captureDebug: true\n', 'file').warnings).toEqual([
    'captureDebug is accepted and has no effect',
  ]);
});

it('reports every mistake at once', () => {
  const text =
    'instalCRDs: true\ntelemetryInterval: 1m\ncaptureHostPathBaseDir: var/log\nleaderElection: {leaseDuration: 1s}\nretinaEndpoints: {rate: 5}\n';
  expect(() => parseOperatorConfig(text, 'file')).toThrow(RetinaError);
  try {
    parseOperatorConfig(text, 'file');
  } catch (error) {
    const { found } = error as RetinaError;
    for (const part of ['instalCRDs: no such key; did you mean installCRDs?', 'telemetryInterval: needed at least 120 s', 'captureHostPathBaseDir: needed an absolute path', 'leaderElection: needed leaseDuration > renewDeadline > retryPeriod', 'retinaEndpoints.rate: no such key']) expect(found).toContain(part); // prettier-ignore
  }
  for (const text of ['a: [', '- 1', 'just text', 'remoteContext: {']) expect(() => parseOperatorConfig(text, 'file')).toThrow(RetinaError); // prettier-ignore
});

it('lets the environment win', () => {
  const { config } = parseOperatorConfig('remoteContext: false\n', 'file', { RETINA_REMOTECONTEXT: 'true', RETINA_LOGLEVEL: 'warn' }); // prettier-ignore
  expect(config).toMatchObject({ remoteContext: true, logLevel: 'warn' });
  expect(() => parseOperatorConfig('', 'file', { RETINA_REMOTECONTEXT: 'perhaps' })).toThrow(/remoteContext/);
});

it('reads flags and addresses', () => {
  expect(parseFlags(['--config', 'x', '--metrics-addr=:1', '--enable-leader-election'])).toMatchObject({ config: 'x', metricsAddress: { port: 1 }, leaderElection: true }); // prettier-ignore
  expect(parseFlags([]).leaderElection).toBeUndefined();
  expect(parseAddress('[::1]:8080')).toEqual({ host: '::1', port: 8080 });
  expect(parseAddress('127.0.0.1:0')).toEqual({ host: '127.0.0.1', port: 0 });
  for (const bad of ['', ':', ':99999', 'a:b', '::1:80']) expect(() => parseAddress(bad)).toThrow(RetinaError);
  expect(() => parseFlags(['--what'])).toThrow(/--help/);
});
