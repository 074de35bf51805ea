import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = new URL('../', import.meta.url);
/** URL of the loader's sources. */
export const INDEX = new URL('src/index.ts', root).href;
const out = new URL('build/test/', root);

/** Compiles test/bpf/NAME.bpf.c and returns the object's path. */
export function compile(name: string): string {
  const source = fileURLToPath(new URL(`test/bpf/${name}.bpf.c`, root));
  const object = fileURLToPath(new URL(`${name}.bpf.o`, out));
  mkdirSync(out, { recursive: true });
  const multiarch = execFileSync('cc', ['-print-multiarch'], { encoding: 'utf8' }).trim();
  const arch = process.arch === 'arm64' ? 'arm64' : 'x86';
  const includes = ['-I', fileURLToPath(new URL('../../bpf/include', root)), '-I', `/usr/include/${multiarch}`];
  const flags = ['-O2', '-g', '-Wall', '-target', 'bpf', '-mcpu=v3', `-D__TARGET_ARCH_${arch}`];
  execFileSync('clang', [...flags, ...includes, '-c', source, '-o', `${object}.${process.pid}`], { stdio: 'inherit' });
  renameSync(`${object}.${process.pid}`, object); // other test files may read it meanwhile
  return object;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ChildOptions {
  /** A command and its arguments to run node with, such as `ip netns exec x`. */
  readonly prefix?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Called with every line the child prints; `kill` ends it with a signal. */
  readonly onLine?: (line: string, kill: (signal: NodeJS.Signals) => void) => void;
}

/** Runs `script` as an ES module in a process of its own, with the loader's exports as `loader`. */
export function child(script: string, options: ChildOptions = {}): Promise<Ended> {
  const whole = `const loader = await import(${JSON.stringify(INDEX)});\n${script}`;
  const node = [process.execPath, '--conditions=@retina/source', '--input-type=module-typescript', '-e', whole];
  const [command, ...args] = [...(options.prefix ?? []), ...node];
  return new Promise((resolve, reject) => {
    const started = spawn(command!, args, {
      cwd: fileURLToPath(root),
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    started.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      for (const line of text.split('\n')) if (line) options.onLine?.(line, (signal) => started.kill(signal));
    });
    started.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    started.on('error', reject);
    started.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

/** Runs a command and returns what it printed. */
export function sh(command: string): string {
  return execFileSync('sh', ['-ec', command], { encoding: 'utf8', maxBuffer: 64 << 20 });
}

/** The error a promise or a call ends with; throws if it does not. */
export async function failure(
  what: () => unknown,
): Promise<Error & { code?: string; detail?: string; found?: string; needed?: string }> {
  try {
    await what();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it did not fail');
}
