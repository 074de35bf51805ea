import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Answers } from './host-child.ts';

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

/** Compiles bpf/NAME.bpf.c with the headers as they are; the path of the object. */
export function compile(name: string): string {
  const source = here(`bpf/${name}.bpf.c`);
  const object = here(`../build/test/${name}.bpf.o`);
  const includes = here('../../../bpf/include');
  mkdirSync(here('../build/test'), { recursive: true });
  const multiarch = execFileSync('cc', ['-print-multiarch'], { encoding: 'utf8' }).trim();
  const arch = process.arch === 'arm64' ? 'arm64' : 'x86';
  const flags = ['-O2', '-g', '-Wall', '-Werror', '-target', 'bpf', '-mcpu=v3', `-D__TARGET_ARCH_${arch}`];
  execFileSync('clang', [...flags, '-I', includes, '-I', `/usr/include/${multiarch}`, '-c', source, '-o', object]);
  return object;
}

/** A namespace for a host (`host`) and one behind it (`peer`), with a name that ends with this process. */
export class World implements Disposable {
  readonly host = `corehost-${process.pid}-host`;
  readonly peer = `corehost-${process.pid}-peer`;

  constructor() {
    for (const name of [this.host, this.peer]) {
      this.ip(`netns add ${name}`);
      this.ip(`-n ${name} link set lo up`);
    }
  }

  ip(command: string): void {
    execFileSync('ip', command.split(' '), { stdio: ['ignore', 'ignore', 'pipe'] });
  }

  /** A veth into the peer namespace, with addresses 10.77.N.1 here and 10.77.N.2 there. */
  link(name: string, n: number): void {
    this.ip(`-n ${this.host} link add ${name} type veth peer name ${name} netns ${this.peer}`);
    for (const [space, last] of [[this.host, 1], [this.peer, 2]] as const) {
      this.ip(`-n ${space} addr add 10.77.${n}.${last}/24 dev ${name}`);
      this.ip(`-n ${space} link set ${name} up`);
    }
  } // prettier-ignore

  run(space: string, command: string, ...args: string[]): string {
    return execFileSync('ip', ['netns', 'exec', space, command, ...args], { encoding: 'utf8' });
  }

  /** Sends UDP packets to port 9999, from the peer unless told; resolves when all are out. */
  async send(address: string, packets: number, from = this.peer): Promise<void> {
    const script = `
      const socket = require('node:dgram').createSocket('udp4');
      const text = Buffer.alloc(20);
      socket.connect(9999, '${address}', async () => {
        socket.on('error', () => undefined);
        for (let n = 0; n < ${packets}; n++) {
          await new Promise((done) => socket.send(text, (error) => (error ? socket.send(text, () => done()) : done())));
        }
        socket.close();
      });`;
    const sender = spawn('ip', ['netns', 'exec', from, process.execPath, '-e', script], { stdio: 'inherit' });
    const [code] = (await once(sender, 'exit')) as [number];
    if (code !== 0) throw new Error(`the sender ended with ${code}`);
  }

  [Symbol.dispose](): void {
    for (const name of [this.host, this.peer]) this.ip(`netns del ${name}`);
  }
}

type Answer<Q extends keyof Answers> = Awaited<ReturnType<Answers[Q]>>;

/** A host in the world's host namespace. */
export class HostProcess implements AsyncDisposable {
  private readonly child: ChildProcess;
  private readonly waiting = new Map<number, (message: { answer?: unknown; error?: string }) => void>();
  private asked = 0;

  private constructor(child: ChildProcess) {
    this.child = child;
    child.on('message', (message: { id?: number; answer?: unknown; error?: string }) =>
      this.waiting.get(message.id ?? -1)?.(message),
    );
  }

  static async start(world: World, object: string, yaml: string): Promise<HostProcess> {
    const node = [process.execPath, '--conditions=@retina/source', here('host-child.ts'), object, yaml];
    const child = spawn('ip', ['netns', 'exec', world.host, ...node], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const host = new HostProcess(child);
    await Promise.race([
      new Promise<void>((ready) =>
        child.on('message', ({ event }: { event?: string }) => event === 'ready' && ready()),
      ),
      once(child, 'exit').then(([code]) => Promise.reject(new Error(`the host ended with ${code}`))),
    ]);
    return host;
  }

  ask<Q extends keyof Answers>(question: Q, ...argument: Parameters<Answers[Q]>): Promise<Answer<Q>> {
    const id = this.asked++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, ({ answer, error }) => {
        this.waiting.delete(id);
        if (error === undefined) resolve(answer as Answer<Q>);
        else reject(new Error(error));
      });
      this.child.send({ id, question, argument: argument[0] });
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.child, 'exit');
    await this.ask('stop');
    this.child.kill('SIGKILL');
    await exited;
  }
}
