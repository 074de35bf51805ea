import { chmodSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Namespace } from '../world/namespace.ts';
import { patience, type Running } from '../world/run.ts';
import { MetricText } from './metric-text.ts';
import { type Usage, usage } from './usage.ts';

export interface AgentOptions {
  /** Where it runs. It taps what is there. */
  readonly in: Namespace;
  /** The agent's program. */
  readonly entry: URL;
  /** The configuration, as the file would have it. `api.socket` is added. */
  readonly config: Readonly<Record<string, unknown>>;
  /** For Node itself. Default: `--conditions=@retina/source` when this process has it. */
  readonly nodeArgs?: readonly string[];
  /** Port of the Prometheus exporter. Default 10093. */
  readonly port?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** A command that starts it with other rights, and its arguments: `setpriv`, … */
  readonly under?: readonly string[];
  /** Wait until it is ready. Default true. */
  readonly ready?: boolean;
}

/** Forwards connections from a unix socket to a port on loopback: the way into a namespace's servers from outside. */
const FORWARDER = `
const net = require('node:net');
const [path, port] = process.argv.slice(1);
net.createServer((from) => {
  const to = net.connect(Number(port), '127.0.0.1');
  from.pipe(to).pipe(from);
  from.on('error', () => to.destroy());
  to.on('error', () => from.destroy());
}).listen(path, () => console.log('ready'));`;

/** A running agent in a namespace, with its own configuration file and socket. Ended, and its files removed, when disposed of. */
export class AgentProcess implements AsyncDisposable {
  /** The configuration file: rewrite it to reload. */
  readonly configFile: string;
  /** The local API's socket. */
  readonly socket: string;
  readonly running: Running;
  private readonly folder: string;
  private readonly forwarder: Running;
  private readonly forwarded: string;

  private constructor(folder: string, running: Running, forwarder: Running) {
    this.folder = folder;
    this.configFile = join(folder, 'config.yaml');
    this.socket = join(folder, 'agent.sock');
    this.forwarded = join(folder, 'http.sock');
    this.running = running;
    this.forwarder = forwarder;
  }

  static async start(options: AgentOptions): Promise<AgentProcess> {
    const folder = mkdtempSync(join(tmpdir(), 'retina-agent-'));
    chmodSync(folder, options.under ? 0o777 : 0o755); // another user must make its socket there
    const nodeArgs = options.nodeArgs ?? process.execArgv.filter((arg) => arg.startsWith('--conditions='));
    const forward = ['-e', FORWARDER, join(folder, 'http.sock'), String(options.port ?? 10093)];
    const forwarder = options.in.spawn(process.execPath, forward);
    await forwarder.output(/ready/);
    writeConfig(folder, options.config);
    const program = [fileURLToPath(options.entry), '--config', join(folder, 'config.yaml'), '--no-tui'];
    const [command = process.execPath, ...args] = [...(options.under ?? []), process.execPath, ...nodeArgs, ...program];
    const running = options.in.spawn(command, args, { ...options.env });
    const agent = new AgentProcess(folder, running, forwarder);
    try {
      if (options.ready ?? true) await agent.whenReady();
    } catch (error) {
      await agent[Symbol.asyncDispose]();
      throw error;
    }
    return agent;
  }

  get pid(): number {
    return this.running.pid;
  }

  usage(): Usage {
    return usage(this.pid);
  }

  /** What it has logged. */
  get log(): string {
    return this.running.stdout + this.running.stderr;
  }

  async metrics(): Promise<MetricText> {
    const { status, body } = await this.get('/metrics');
    if (status !== 200) throw new Error(`Expected metrics but received ${status}: ${body.slice(0, 500)}`);
    return new MetricText(body);
  }

  /** A page of the Prometheus exporter's server. */
  get(path: string): Promise<{ readonly status: number; readonly body: string }> {
    return new Promise((resolve, reject) => {
      const sent = request(
        { socketPath: this.forwarded, path, agent: false, timeout: 30_000 * patience },
        (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (text: string) => (body += text));
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
          response.on('error', reject);
        },
      );
      sent.on('timeout', () => sent.destroy(new Error(`no answer to ${path} within 30 s`)));
      sent.on('error', reject).end();
    });
  }

  /** Writes another configuration; the agent reloads it when told to (SIGHUP) or when it sees the change. */
  configure(config: Readonly<Record<string, unknown>>): void {
    writeConfig(this.folder, config);
  }

  async whenReady(timeoutMs = 20_000): Promise<void> {
    const deadline = Date.now() + timeoutMs * patience;
    for (;;) {
      const answer = await this.get('/readyz').catch(() => undefined);
      if (answer?.status === 200 && existsSync(this.socket)) return;
      if (!this.running.running || Date.now() > deadline) {
        throw new Error(`The agent is not ready (${answer?.body ?? 'no answer'}):\n${this.log.slice(-6000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Ends it as an orchestrator does, by SIGTERM. Returns its exit code. */
  async stop(): Promise<number> {
    this.running.kill('SIGTERM');
    return this.running.ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.running.running) {
      this.running.kill('SIGTERM');
      const late = setTimeout(() => this.running.kill('SIGKILL'), 6000 * patience);
      await this.running.ended;
      clearTimeout(late);
    }
    await this.forwarder[Symbol.asyncDispose]();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** JSON is YAML. Written at one go, as a ConfigMap's mount changes: a reader never sees half of it. */
function writeConfig(folder: string, config: Readonly<Record<string, unknown>>): void {
  const whole = { ...config, api: { socket: join(folder, 'agent.sock') } };
  writeFileSync(join(folder, 'config.new'), JSON.stringify(whole, null, 2));
  renameSync(join(folder, 'config.new'), join(folder, 'config.yaml'));
}
