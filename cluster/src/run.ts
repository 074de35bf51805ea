import { spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RunOptions {
  /** For its standard input. */
  readonly input?: string;
  /** Milliseconds after which it is killed. Default one minute. */
  readonly timeout?: number;
}

/** Standard output of a command. Rejects with its standard error if it fails. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: 'pipe', timeout: options.timeout ?? 60_000 });
    let out = '';
    let errors = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) return resolve(out);
      reject(new Error(`${command} ${args.slice(0, 6).join(' ')}: ${signal ?? `exit code ${code}`}\n${errors}${out}`));
    });
    child.stdin.on('error', () => {}); // it may not read at all
    child.stdin.end(options.input ?? '');
  });
}

/** A command that goes on running, once what it writes matches. */
export async function background(
  command: string,
  args: readonly string[],
  ready: RegExp,
): Promise<{ readonly match: RegExpExecArray; stop(): Promise<void> }> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (more: string) => (text += more));
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  child.on('error', (error) => (text += String(error)));
  const match = await eventually(() => {
    const found = ready.exec(text);
    if (!found) throw new Error(`${command} is not ready:\n${text.slice(-2000)}`);
    return found;
  });
  const stop = async () => {
    child.kill();
    await ended;
  };
  return { match, stop };
}

/** What `look` returns once it does not throw any more; after `ms`, what it throws. */
export async function eventually<T>(look: () => Promise<T> | T, ms = 30_000): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (Date.now() > end) throw error;
      await sleep(250);
    }
  }
}
