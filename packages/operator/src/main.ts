#!/usr/bin/env node
import './stay-small.ts';
import { enableCompileCache } from 'node:module';
import { RetinaError } from '@retina/sdk';
import { kubeClient } from '@retina/kube';
import packageJson from '../package.json' with { type: 'json' };
import { loadOperatorConfig } from './config.ts';
import { parseFlags, USAGE } from './flags.ts';
import { jsonLog } from './log.ts';
import { Operator } from './operator.ts';

/** Kubernetes gives 30 s, and the lease must be given up within them. */
const DEADLINE_MS = 10_000;

enableCompileCache();

async function main(): Promise<void> {
  const flags = parseFlags(process.argv.slice(2));
  if (flags.help) return void process.stdout.write(USAGE);
  if (flags.version) return void process.stdout.write(`${packageJson.version}\n`);
  const { config, warnings } = loadOperatorConfig(flags.config);
  const log = jsonLog(flags.logLevel ?? config.logLevel, { pod: process.env['POD_NAME'] });
  for (const warning of warnings) log.warn('in the configuration', { warning });
  const client = kubeClient({ kubeconfig: flags.kubeconfig, userAgent: `retina-operator/${packageJson.version}` });
  const operator = await Operator.start({
    client,
    config: {
      ...config,
      leaderElection: { ...config.leaderElection, enabled: flags.leaderElection ?? config.leaderElection.enabled },
    },
    log,
    version: packageJson.version,
    metricsAddress: flags.metricsAddress,
    probeAddress: flags.probeAddress,
  });
  log.info('started', { server: client.server, metrics: operator.metricsPort, probes: operator.probePort });

  let ending = false;
  const end = (why: string, code = 0) => {
    if (ending) return;
    ending = true;
    log.info('ending', { why });
    setTimeout(() => process.exit(1), DEADLINE_MS).unref();
    operator[Symbol.asyncDispose]().then(
      () => process.exit(code),
      (error: unknown) => {
        log.error('releasing failed', { error: String(error) });
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => end('SIGTERM'));
  process.on('SIGINT', () => end('SIGINT'));
  process.on('uncaughtException', (error) => {
    log.error('an error nobody caught', { error: error.stack ?? error.message });
    end('uncaught error', 1);
  });
}

main().catch((error: unknown) => {
  const known = error instanceof RetinaError;
  process.stderr.write(`retina-operator: ${known ? `${error.message} (${error.code})` : String(error)}\n`);
  process.exit(known && ['RETINA_CONFIG_INVALID', 'RETINA_REQUEST_INVALID'].includes(error.code) ? 2 : 1);
});
