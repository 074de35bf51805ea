import { spawn } from 'node:child_process';
import { RetinaError } from '@retina/sdk';

const PACKAGES: Readonly<Record<string, string>> = { ip: 'iproute2', nft: 'nftables' };

/** Runs a program without a shell, `input` on its standard input. Returns its output; throws RETINA_DEMO_FAILED if it fails. */
export function run(program: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (found: string, next?: string) =>
      reject(
        new RetinaError('RETINA_DEMO_FAILED', `${[program, ...args].join(' ')} failed`, {
          found,
          ...(next && { next }),
        }),
      );
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (err += text));
    child.stdin.on('error', () => {}); // it ended without reading; its exit code says why
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') fail(`${program} is not installed`, `install ${PACKAGES[program] ?? program}`);
      else fail(error.message);
    });
    child.on('close', (code) => (code === 0 ? resolve(out) : fail(err.trim() || `exit code ${code}`)));
    child.stdin.end(input);
  });
}
