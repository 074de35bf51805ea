import { parseArgs } from 'node:util';
import { RetinaError } from '@retina/sdk';

export const USAGE = `retina-agent: shows what this host's network does, seen from its kernel

  --config FILE      configuration, YAML or JSON; without it the built-in one for a single host
  --demo             also make a small world of three pods with traffic between them, and remove it at the end
  --socket PATH      unix socket of the local API (the command line asks it)
  --log-level LEVEL  trace, debug, info, warn or error
  --no-tui           log JSON lines on a terminal too, instead of the live screen
  --version, --help

Exit codes: 0 ended as asked, 1 failed (missing rights among the reasons), 2 wrong arguments or configuration.
A change of the file reloads the configuration, and so does SIGHUP, except under the live screen, where it says that the
terminal has gone. SIGTERM and Ctrl-C end the agent, a second Ctrl-C at once.
`;

export interface Flags {
  readonly config: string | undefined;
  readonly demo: boolean;
  readonly socket: string | undefined;
  readonly logLevel: string | undefined;
  readonly tui: boolean;
  readonly version: boolean;
  readonly help: boolean;
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'];

/** Reads the command line. Throws RETINA_REQUEST_INVALID. */
export function parseFlags(args: readonly string[]): Flags {
  const { values } = parse(args);
  const level = values['log-level'];
  if (level !== undefined && !LEVELS.includes(level)) {
    throw new RetinaError('RETINA_REQUEST_INVALID', '--log-level is not understood', {
      found: level,
      needed: LEVELS.join(', '),
    });
  }
  return {
    config: values.config,
    demo: values.demo ?? false,
    socket: values.socket,
    logLevel: level,
    tui: !values['no-tui'],
    version: values.version ?? false,
    help: values.help ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        config: { type: 'string', short: 'c' },
        demo: { type: 'boolean' },
        socket: { type: 'string' },
        'log-level': { type: 'string' },
        'no-tui': { type: 'boolean' },
        version: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    throw new RetinaError('RETINA_REQUEST_INVALID', 'The command line is not understood', {
      found: (error as Error).message,
      next: 'retina-agent --help lists what there is',
    });
  }
}
