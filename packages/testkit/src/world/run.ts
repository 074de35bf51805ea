import { type ChildProcess, execFile, spawn, type SpawnOptions } from 'node:child_process';

export interface RunResult {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

export interface RunOptions {
  /** Text for its standard input. */
  readonly input?: string;
  /** Milliseconds until it is killed, times {@link patience}. Default 60 000. */
  readonly timeoutMs?: number;
  /** Folder it runs in. Default this process's. */
  readonly cwd?: string;
  /** Return instead of throwing when it fails. Default false. */
  readonly mayFail?: boolean;
  readonly env?: Readonly<Record<string, string>>;
}

/** What time-outs are multiplied by: `RETINA_PATIENCE`, set where the machine is emulated and many times slower. */
export const patience = Math.max(1, Number(process.env['RETINA_PATIENCE']) || 1);

/** Runs a program to its end. Throws with its standard error when it fails, unless it may. No shell is involved. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { promise, resolve, reject } = Promise.withResolvers<RunResult>();
  const settings = {
    timeout: (options.timeoutMs ?? 60_000) * patience,
    cwd: options.cwd,
    maxBuffer: 256 * 1024 * 1024,
    env: { ...process.env, ...options.env },
  };
  const child = execFile(command, args, settings, (error, stdout, stderr) => {
    const code = error ? (typeof error.code === 'number' ? error.code : -1) : 0;
    if (!error || options.mayFail) return resolve({ stdout, stderr, code });
    const why = error.killed ? `was killed after ${settings.timeout} ms` : `ended with ${error.code}`;
    reject(new Error(`${command} ${args.join(' ')} ${why}: ${stderr.trim() || stdout.trim()}`, { cause: error }));
  });
  child.stdin?.on('error', () => undefined); // it may end without reading its input
  child.stdin?.end(options.input ?? '');
  return promise;
}

/** A program that goes on running. Disposing of it ends it: SIGTERM, then SIGKILL after a second, times {@link patience}. */
export class Running implements AsyncDisposable {
  readonly process: ChildProcess;
  /** What it has written so far. */
  stdout = '';
  stderr = '';
  /** Its exit code, or -1 for a signal. */
  readonly ended: Promise<number>;
  private listeners: (() => void)[] = [];

  constructor(command: string, args: readonly string[], options: SpawnOptions = {}) {
    this.process = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options });
    this.process.stdout?.setEncoding('utf8').on('data', (text: string) => this.wrote('stdout', text));
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => this.wrote('stderr', text));
    this.ended = new Promise((resolve) => {
      this.process.on('error', (error) => {
        this.wrote('stderr', String(error));
        resolve(-1);
      });
      this.process.on('close', (code) => resolve(code ?? -1));
    });
    void this.ended.then(() => this.wake());
  }

  get pid(): number {
    return this.process.pid ?? -1;
  }

  get running(): boolean {
    return this.process.exitCode === null && this.process.signalCode === null;
  }

  kill(signal: NodeJS.Signals = 'SIGTERM'): void {
    this.process.kill(signal);
  }

  /** Waits until its standard output matches. Throws with both outputs when it ends first or takes longer than `timeoutMs`, times {@link patience}. */
  async output(pattern: RegExp, timeoutMs = 15_000): Promise<RegExpMatchArray> {
    const deadline = Date.now() + timeoutMs * patience;
    for (;;) {
      const match = pattern.exec(this.stdout);
      if (match) return match;
      const left = deadline - Date.now();
      if (left <= 0 || !this.running) {
        const why = this.running ? `not within ${timeoutMs * patience} ms` : 'ended first';
        throw new Error(
          `Expected output ${String(pattern)}: ${why}\n${this.stdout.slice(-4000)}\n${this.stderr.slice(-4000)}`,
        );
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.listeners.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.running) this.kill();
    const timer = setTimeout(() => this.kill('SIGKILL'), 1000 * patience);
    await this.ended;
    clearTimeout(timer);
  }

  private wrote(stream: 'stdout' | 'stderr', text: string): void {
    this[stream] += text;
    this.wake();
  }

  private wake(): void {
    for (const listener of this.listeners.splice(0)) listener();
  }
}
