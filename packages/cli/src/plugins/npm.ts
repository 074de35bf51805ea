import { execFile } from 'node:child_process';
import { RetinaError } from '@retina/sdk';

/** Manifests are some kilobytes; what is larger is none. */
const MAX_OUTPUT = 16 * 1024 * 1024;

/** Runs a program without a shell and returns what it wrote. Rejects with `failed(last words of it)`. */
export function tool(
  program: string,
  args: readonly string[],
  failed: (found: string) => RetinaError,
): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(program, args, { maxBuffer: MAX_OUTPUT, encoding: 'utf8' }, (error, stdout, stderr) => {
      if (!error) return resolve(stdout);
      if (error.code === 'ENOENT') {
        const next = `install ${program === 'npm' ? 'npm (it comes with Node.js)' : program}, or build an image: retina build`;
        return reject(new RetinaError('RETINA_SOURCE_UNREACHABLE', `${program} is needed`, { found: `no ${program} in PATH`, next })); // prettier-ignore
      }
      const words = stderr.split('\n').filter((line) => /\S/.test(line) && !line.includes('complete log of this run'));
      reject(failed(words.slice(0, 4).join(' ').replaceAll('npm error ', '') || error.message));
    });
  });
}
