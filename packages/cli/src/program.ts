import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { RetinaError } from '@retina/sdk';
import { SHELLS, type Shell } from './completion.ts';
import type { AgentOptions } from './options.ts';
import { FORMATS } from './output.ts';

/** The whole command line. Each action imports its own module when it runs: `retina --help` loads none of them. */
export function buildProgram(): Command {
  const program = new Command('retina')
    .description('What the network of this host does, seen from its kernel: asks the running Retina agent.')
    .exitOverride()
    .showSuggestionAfterError()
    .configureHelp({ sortSubcommands: false });
  program.addHelpText(
    'after',
    `
Exit codes: 0 done, 1 failed, 2 the arguments or the configuration are wrong.
Environment: RETINA_SOCKET (the agent's socket), NO_COLOR (no colours).`,
  );

  withOutput(program.command('doctor'))
    .description('what each plugin needs, what this kernel and these rights offer, and what would run')
    .option('-c, --config <file>', 'configuration to judge; the built-in one if not given')
    .action(async (options: AgentOptions & { config?: string }) => {
      await (await import('./commands/doctor.ts')).doctor(options);
    });

  withAgent(program.command('status'))
    .description("the agent's state: plugins, taps, losses, where metrics are served")
    .action(async (options: AgentOptions) => {
      await (await import('./commands/status.ts')).status(options);
    });

  withAgent(program.command('top'))
    .description('who speaks most, what is dropped, which connections live; refreshed each second on a terminal')
    .addArgument(new Argument('[kind]', 'what to rank').choices(['talkers', 'drops', 'connections']).default('talkers'))
    .option('-n, --last <count>', 'rows to show', whole)
    .option('--once', 'show it once, also on a terminal')
    .action(async (kind: string, options: AgentOptions & { last?: number; once?: boolean }) => {
      await (await import('./commands/top.ts')).top(kind, options);
    });

  withAgent(program.command('flows'))
    .description('flow records: the latest, or all as they come with --follow; JSON lines in a pipe')
    .option('-f, --follow', 'go on with what comes')
    .option('--since <time>', 'only what ended since then: 30s, 5m, 1h or an RFC 3339 time')
    .option('--until <time>', 'only what began until then: 5m or an RFC 3339 time')
    .option('-n, --last <count>', 'at most so many of the latest', whole)
    .option('--pod <[namespace/]name>', 'either end is this pod (repeatable)', gather)
    .option('--namespace <name>', 'either end is in this namespace (repeatable)', gather)
    .option('--ip <address or CIDR>', 'either address (repeatable)', gather)
    .option('--port <port>', 'either port (repeatable)', gather)
    .option('--protocol <name>', 'tcp, udp, sctp, icmp, icmpv6, dns or a number (repeatable)', gather)
    .addOption(verdictOption())
    .addOption(typeOption())
    .option('--fqdn <pattern>', 'either end or a DNS query has such a name; * for any text (repeatable)', gather)
    .option('--drop-reason <reason>', 'dropped for this reason (repeatable)', gather)
    .action(async (options: AgentOptions & Record<string, unknown>) => {
      await (await import('./commands/flows.ts')).flows(options);
    });

  const config = program.command('config').description('check and show configurations');
  withOutput(config.command('check'))
    .description('every mistake in a configuration file, with its path, what was found and what was expected')
    .argument('<file>', 'the file, YAML or JSON')
    .action(async (file: string, options: AgentOptions) => {
      process.exitCode = await (await import('./commands/config.ts')).configCheck(file, options);
    });
  withAgent(config.command('view'))
    .description('the configuration the agent runs on, defaults included')
    .action(async (options: AgentOptions) => {
      await (await import('./commands/config.ts')).configView(options);
    });

  addPluginCommands(program);

  withOutput(program.command('version'))
    .description('versions of this command, of Node.js and of the kernel')
    .action(async (options: AgentOptions) => {
      await (await import('./commands/version.ts')).version(options);
    });

  program
    .command('completion')
    .description('a completion script: source <(retina completion bash)')
    .addArgument(new Argument('<shell>', 'for which shell').choices(SHELLS))
    .action(async (shell: Shell) => {
      const { completionScript } = await import('./completion.ts');
      process.stdout.write(completionScript(program, shell));
    });
  return program;
}

/** What others have made: beside this agent, or in an image of one's own. */
function addPluginCommands(program: Command): void {
  const plugin = program.command('plugin').description('plugins and exporters of others');
  plugin
    .command('add')
    .description('check a package, show what it asks for, and install it beside the agent')
    .argument('<package>', 'as npm has it: name, name@version, ./folder, ./file.tgz')
    .option('--into <folder>', 'where to install; default: where the agent is')
    .option('-y, --yes', 'consent to what it asks for')
    .option('--any-node', 'it will run elsewhere: do not compare its needs with this node')
    .action(async (given: string, options: { into?: string; yes?: boolean; anyNode?: boolean }) => {
      process.exitCode = await (await import('./commands/plugin.ts')).pluginAdd(given, options);
    });
  withOutput(plugin.command('list'))
    .description('every plugin and exporter that the agent would find')
    .option('--into <folder>', 'a folder to look in as well: the one of the configuration')
    .action(async (options: AgentOptions & { into?: string }) => {
      await (await import('./commands/plugin.ts')).pluginList(options);
    });
  program
    .command('build')
    .description('Dockerfile and Helm values for an agent image with further packages')
    .argument('<package...>', 'as npm has them: name, name@version, ./folder, ./file.tgz')
    .option('--base <image>', "the agent's image to build on; default: that of this version")
    .option('--image <name:tag>', 'what the image will be called')
    .option('--out <folder>', 'where to write; default: retina-image')
    .action(async (given: string[], options: { base?: string; image?: string; out?: string }) => {
      await (await import('./commands/build.ts')).build(given, options);
    });
}

function withOutput(command: Command): Command {
  const formats = new Option('-o, --output <format>', 'how to print it').choices([...FORMATS]);
  return command.addOption(formats);
}

function withAgent(command: Command): Command {
  return withOutput(command).option('--socket <path>', "the agent's unix socket");
}

/** In either case of letters, since records and the original's tools write DROPPED. */
function verdictOption(): Option {
  const verdicts = ['forwarded', 'dropped'];
  return new Option('--verdict <verdict>', 'what became of it: forwarded, dropped (repeatable)')
    .choices(verdicts)
    .argParser<string[]>((value, before = []) => {
      const verdict = value.toLowerCase();
      if (verdicts.includes(verdict)) return [...before, verdict];
      throw new InvalidArgumentError(`Allowed choices are ${verdicts.join(', ')}.`);
    });
}

/** As `hubble observe` has them. */
function typeOption(): Option {
  const types = ['l7', 'drop', 'policy-verdict', 'trace'];
  return new Option('--type <type>', 'kind of record: l7 (DNS), drop, policy-verdict, trace (repeatable)')
    .choices(types)
    .argParser<string[]>((value, before = []) => {
      if (types.includes(value.toLowerCase())) return [...before, value.toLowerCase()];
      throw new InvalidArgumentError(`Allowed choices are ${types.join(', ')}.`);
    });
}

function gather(value: string, before: string[] = []): string[] {
  return [...before, value];
}

function whole(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new RetinaError('RETINA_REQUEST_INVALID', 'A count is not understood', {
    found: text,
    needed: 'a whole number above 0',
  });
}
