import { spawn, spawnSync } from 'node:child_process';
import { constants } from 'node:os';

/** Shows the cursor and leaves the alternate screen: what a killed child could not do any more. */
const PLAIN_SCREEN = '\u001b[?25h\u001b[?1049l';

/** Standard output of a command, trimmed, or undefined if it failed or does not exist. */
export function capture(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], ...options });
  return result.status === 0 ? result.stdout.trim() : undefined;
}

export function exists(command) {
  return capture('sh', ['-c', `command -v ${command}`]) !== undefined;
}

/**
 * Runs a command whose output matters only when it fails: kept back, and shown then. Resolves to its exit code.
 * With `show`, output passes through to standard error.
 */
export function run(command, args, { show = false, cwd, env = process.env } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', show ? 2 : 'pipe', show ? 2 : 'pipe'] });
    const kept = [];
    if (!show) {
      child.stdout.on('data', (chunk) => kept.push(chunk));
      child.stderr.on('data', (chunk) => kept.push(chunk));
    }
    child.on('error', (error) => {
      process.stderr.write(`${command}: ${error.message}\n`);
      resolve(127);
    });
    child.on('close', (code) => {
      if (code !== 0) process.stderr.write(Buffer.concat(kept));
      resolve(code ?? 1);
    });
  });
}

/** Replaces this process as nearly as Node can: same terminal, signals passed on, same exit code. */
export function become(command, args, env = process.env) {
  const child = spawn(command, args, { stdio: 'inherit', env });
  // The terminal sends its signals to the whole group; others reach only us.
  process.on('SIGINT', () => {});
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`${command}: ${error.message}\n`);
    process.exit(127);
  });
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code ?? 1);
    if (process.stdout.isTTY) process.stdout.write(PLAIN_SCREEN);
    process.stderr.write(`ended by ${signal}\n`);
    process.exit(128 + constants.signals[signal]);
  });
}
