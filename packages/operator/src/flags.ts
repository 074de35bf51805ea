import { parseArgs } from 'node:util';
import { RetinaError } from '@retina/sdk';
import type { Address } from './server.ts';

export interface Flags {
  readonly help: boolean;
  readonly version: boolean;
  readonly config: string | undefined;
  readonly kubeconfig: string | undefined;
  readonly metricsAddress: Address;
  readonly probeAddress: Address;
  /** Undefined: as the configuration says. */
  readonly leaderElection: boolean | undefined;
  readonly logLevel: string | undefined;
}

export const USAGE = `retina-operator: the cluster side of Retina.

usage: retina-operator [--config FILE]

  --config FILE              its configuration; every key has a default
  --kubeconfig FILE          default: KUBECONFIG, the pod's service account, ~/.kube/config
  --metrics-addr ADDRESS     serves /metrics; default :8080
  --probe-addr ADDRESS       serves /healthz and /readyz; default :8081
  --enable-leader-election   of several replicas one works; --no-enable-leader-election: this one does
  --log-level LEVEL          trace, debug, info, warn, error, fatal
  --version, --help
`;

/** Throws RETINA_REQUEST_INVALID for what it does not know. */
export function parseFlags(args: readonly string[]): Flags {
  try {
    const { values } = parseArgs({
      args: [...args],
      allowNegative: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', default: false },
        config: { type: 'string' },
        kubeconfig: { type: 'string' },
        'metrics-addr': { type: 'string', default: ':8080' },
        'probe-addr': { type: 'string', default: ':8081' },
        'enable-leader-election': { type: 'boolean' },
        'log-level': { type: 'string' },
      },
    });
    return {
      help: values.help,
      version: values.version,
      config: values.config,
      kubeconfig: values.kubeconfig,
      metricsAddress: parseAddress(values['metrics-addr']),
      probeAddress: parseAddress(values['probe-addr']),
      leaderElection: values['enable-leader-election'],
      logLevel: values['log-level'],
    };
  } catch (error) {
    if (error instanceof RetinaError) throw error;
    throw new RetinaError('RETINA_REQUEST_INVALID', 'The arguments are not understood', {
      found: error instanceof Error ? error.message : String(error),
      next: 'see retina-operator --help',
    });
  }
}

/** `:8080`, `8080`, `127.0.0.1:8080`, `[::1]:8080`. */
export function parseAddress(text: string): Address {
  const match = /^(?:(?:\[([^\]]+)\]|([^:[\]]*)):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (!match || port > 65_535) {
    throw new RetinaError('RETINA_REQUEST_INVALID', 'An address is not understood', {
      found: text,
      needed: ':8080, 127.0.0.1:8080 or [::1]:8080',
    });
  }
  return { host: match[1] ?? (match[2] || undefined), port };
}
