import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';

const SOURCE = join(import.meta.dirname, 'collector');

/** The OpenTelemetry Collector with its stock OTLP receiver, from Go modules; built once and kept by what it is made of. */
export async function collectorBinary(): Promise<string> {
  const hash = createHash('sha256');
  for (const file of ['go.mod', 'go.sum', 'main.go']) hash.update(readFileSync(join(SOURCE, file)));
  const folder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'retina', 'testkit');
  const binary = join(folder, `otlp-collector-${hash.digest('hex').slice(0, 16)}`);
  if (existsSync(binary)) return binary;
  mkdirSync(folder, { recursive: true });
  const unfinished = `${binary}.${process.pid}`;
  await promisify(execFile)('go', ['build', '-trimpath', '-ldflags=-s -w', '-o', unfinished, '.'], { cwd: SOURCE });
  renameSync(unfinished, binary);
  return binary;
}

/** A request as the Collector understood it, in OTLP's JSON encoding. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- assertions reach into it
export type Received = Record<string, any>;

export interface CollectorOptions {
  /** Files of the server's certificate; with `clientCa` clients need one of theirs. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly clientCa?: string };
  /** For its configuration. */
  readonly folder: string;
  /** Keeps of the logs only how many records were in each request, and takes no metrics: for load. */
  readonly counting?: boolean;
}

/** A running Collector. */
export class Collector implements AsyncDisposable {
  readonly grpc: number;
  readonly http: number;
  readonly received: Received[] = [];
  private readonly child: ChildProcess;

  private constructor(child: ChildProcess, grpc: number, http: number) {
    this.child = child;
    this.grpc = grpc;
    this.http = http;
    createInterface({ input: child.stdout! }).on('line', (line) => this.received.push(JSON.parse(line) as Received));
  }

  static async start({ tls, folder, counting = false }: CollectorOptions): Promise<Collector> {
    const [grpc, http] = [await freePort(), await freePort()];
    const secure = tls && {
      tls: { cert_file: tls.cert, key_file: tls.key, ...(tls.clientCa && { client_ca_file: tls.clientCa }) },
    };
    const config = {
      receivers: {
        otlp: {
          protocols: {
            grpc: { endpoint: `127.0.0.1:${grpc}`, ...secure },
            http: { endpoint: `127.0.0.1:${http}`, ...secure },
          },
        },
      },
      exporters: { [counting ? 'counts' : 'lines']: {} },
      service: {
        telemetry: { metrics: { level: 'none' }, logs: { level: 'warn' } },
        pipelines: counting
          ? { logs: { receivers: ['otlp'], exporters: ['counts'] } }
          : {
              metrics: { receivers: ['otlp'], exporters: ['lines'] },
              logs: { receivers: ['otlp'], exporters: ['lines'] },
            },
      },
    };
    const file = join(folder, `collector-${grpc}.json`);
    writeFileSync(file, JSON.stringify(config));
    const child = spawn(await collectorBinary(), [file], { stdio: ['ignore', 'pipe', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    const collector = new Collector(child, grpc, http);
    for (let i = 0; !(await answers(http)); i++) {
      if (child.exitCode !== null || i > 200) throw new Error(`the collector does not start: ${errors}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return collector;
  }

  /** Data points of every request, with the metric each belongs to. */
  points(): { metric: Received; point: Received; resource: Record<string, unknown> }[] {
    return this.received.flatMap((request) =>
      ((request['resourceMetrics'] ?? []) as Received[]).flatMap((rm) =>
        (rm['scopeMetrics'] as Received[]).flatMap((sm) =>
          (sm['metrics'] as Received[]).flatMap((metric) => {
            const data = metric['sum'] ?? metric['gauge'] ?? metric['histogram'] ?? metric['exponentialHistogram'];
            const resource = attributes(rm['resource'].attributes);
            return ((data.dataPoints ?? []) as Received[]).map((point) => ({ metric, point, resource }));
          }),
        ),
      ),
    );
  }

  /** Log records, of one that is counting. */
  get records(): number {
    return this.received.reduce((sum, request) => sum + (request['records'] as number), 0);
  }

  logs(): { record: Received; attributes: Record<string, unknown>; resource: Record<string, unknown> }[] {
    return this.received.flatMap((request) =>
      ((request['resourceLogs'] ?? []) as Received[]).flatMap((rl) =>
        (rl['scopeLogs'] as Received[]).flatMap((sl) =>
          (sl['logRecords'] as Received[]).map((record) => ({
            record,
            attributes: attributes(record['attributes']),
            resource: attributes(rl['resource'].attributes),
          })),
        ),
      ),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await exited;
  }
}

/** Attributes as an object: 64-bit integers become numbers. */
export function attributes(list: readonly Received[] = []): Record<string, unknown> {
  const value = (v: Received): unknown =>
    v['intValue'] !== undefined
      ? Number(v['intValue'])
      : v['arrayValue']
        ? ((v['arrayValue'].values ?? []) as Received[]).map(value)
        : (v['stringValue'] ?? v['doubleValue'] ?? v['boolValue'] ?? '');
  return Object.fromEntries(list.map((a) => [a['key'], value(a['value'] ?? {})]));
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}

async function answers(port: number): Promise<boolean> {
  const { connect } = await import('node:net');
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}
