import { fileURLToPath } from 'node:url';
import { compileFolder } from '@retina/bpf';
import { flood, type Namespace, type NodeWorld, type Sent, type Running } from '@retina/testkit';
import { between } from '../exact/fixture.ts';

export const DROPPED_PORT = 9100;

const folder = fileURLToPath(new URL('.', import.meta.url));

/** Compiles the programs of somebody else; the object's path. */
export function othersObject(): string {
  const [made] = compileFolder({ folder, arch: process.arch === 'arm64' ? 'arm64' : 'x86' });
  return made!.object;
}

/** Somebody else's program on a tcx hook, in a process of its own. It stands in front of all that are there. */
export class Other implements AsyncDisposable {
  private readonly running: Running;
  private constructor(running: Running) {
    this.running = running;
  }

  static async attach(where: Namespace, program: string, device: string, direction = 'ingress'): Promise<Other> {
    const script = fileURLToPath(new URL('other.ts', import.meta.url));
    const args = ['--conditions=@retina/source', script, othersObject(), program, device, direction];
    const running = where.spawn(process.execPath, args);
    await running.output(/^ready$/m);
    return new Other(running);
  }

  /** Packets its program counted. */
  async count(): Promise<number> {
    const before = this.running.stdout.split('count ').length;
    this.running.process.stdin!.write('\n');
    for (let i = 0; i < 500; i++) {
      const counts = this.running.stdout.split('count ');
      if (counts.length > before && counts.at(-1)!.endsWith('\n')) return Number(counts.at(-1));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    throw new Error(`no answer: ${this.running.stderr}`);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.running[Symbol.asyncDispose]();
  }
}

/** UDP over IPv4 from pod a to pod b. */
export function send(net: NodeWorld, packets: number, port = 9000): Promise<Sent> {
  return flood(net.pod('a').namespace, between(net.pod('a'), net.pod('b'), 'ipv4', { packets, port, rate: 20_000 }));
}
