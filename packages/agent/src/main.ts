#!/usr/bin/env node
import './stay-small.ts';
import { enableCompileCache } from 'node:module';
import packageJson from '../package.json' with { type: 'json' };
import { RetinaError } from '@retina/sdk';
import { parseFlags, USAGE, type Flags } from './flags.ts';
import { jsonLog, screenLog, type AgentLog } from './log.ts';
import { hasRights, missingRights } from './rights.ts';
import { Shutdown } from './shutdown.ts';

const REFRESH_MS = 1000;
const EXIT_FAILED = 1;
const EXIT_USAGE = 2;

// Compiled code is kept between starts; the heavy parts are imported below, once it is known that they are needed.
enableCompileCache();

async function main(): Promise<void> {
  const flags = parseFlags(process.argv.slice(2));
  if (flags.help) return void process.stdout.write(USAGE);
  if (flags.version) return void process.stdout.write(`${packageJson.version}\n`);
  const [{ Agent, readConfig }, { causedByComponent }] = await Promise.all([
    import('./agent.ts'),
    import('@retina/core'),
  ]);
  const { config, warnings, text } = await readConfig(flags);
  if (!hasRights() && (await refuse(flags, config))) return void (process.exitCode = EXIT_FAILED);

  const level = flags.logLevel ?? config.logLevel;
  const tui = flags.tui && process.stdout.isTTY === true && process.env['TERM'] !== 'dumb';
  const log = tui ? screenLog(level) : await jsonLog(level, { node: config.nodeName });
  for (const { path, message } of warnings) log.warn('in the configuration', { path, warning: message });

  const agent = new Agent({ flags, config, text, log, version: packageJson.version });
  let screen: Disposable | undefined;
  const shutdown = new Shutdown(log, causedByComponent, async () => {
    screen?.[Symbol.dispose]();
    if (tui) process.stdout.write('Retina is ending.\n');
    await agent.close();
    // What went wrong must not vanish with the screen.
    const errors = log.notices.filter(({ level }) => level === 'error').map(({ text }) => text);
    for (const text of new Set(errors)) process.stderr.write(`${text}\n`);
  });
  process.on('SIGHUP', () => {
    if (tui) shutdown.end(0, 'the terminal has gone');
    else void agent.reload().catch(() => {});
  });
  try {
    await agent.start();
  } catch (error) {
    explain(error);
    return shutdown.end(EXIT_FAILED, 'the agent could not start');
  }
  if (tui && agent.view && !shutdown.ending) screen = await show(agent.view, log);
}

/** Says what is missing; true if nothing that is required would run. */
async function refuse(flags: Flags, config: import('@retina/core').Config): Promise<boolean> {
  const { doctor } = await import('@retina/core');
  const { COMPONENTS_FROM } = await import('./index.ts');
  const report = await doctor({ config, from: COMPONENTS_FROM });
  const plugins = report.components.filter(({ kind }) => kind === 'plugin');
  const required = plugins.filter(({ name }) => config.plugins[name]?.required);
  // What is worth having beside the rest is no reason to run without the rest.
  if ((required.length > 0 ? required : plugins).some(({ runs }) => runs)) return false;
  process.stderr.write(missingRights(report, ['npm start', ...(flags.demo ? ['-- --demo'] : [])].join(' ')));
  return true;
}

async function show(view: import('./view.ts').AgentView, log: AgentLog): Promise<Disposable> {
  const { renderScreen, showLive } = await import('./terminal/index.ts');
  return showLive(process.stdout, REFRESH_MS, (size) => {
    const model = {
      status: view.status(),
      talkers: view.talkers(size.rows),
      drops: view.drops(size.rows),
      notices: log.notices.map(({ text }) => text),
    };
    return renderScreen(model, size);
  });
}

function explain(error: unknown): void {
  const text =
    error instanceof RetinaError ? `${error.message} (${error.code})` : error instanceof Error ? error.stack : error;
  process.stderr.write(`retina-agent: ${String(text)}\n`);
}

main().catch((error: unknown) => {
  explain(error);
  const usage =
    error instanceof RetinaError && ['RETINA_CONFIG_INVALID', 'RETINA_REQUEST_INVALID'].includes(error.code);
  process.exit(usage ? EXIT_USAGE : EXIT_FAILED);
});
