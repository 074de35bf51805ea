import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { FlowBatch, FlowSourceOptions } from '@retina/sdk';
import { openObject } from '../src/index.ts';
import type { LoadedFlowSource, LoadedObject, TapLink } from '../src/index.ts';

const run = promisify(execFile);
const out = fileURLToPath(new URL('../build/test/', import.meta.url));

function newerThan(target: string, sources: readonly string[]): boolean {
  return existsSync(target) && sources.every((source) => statSync(target).mtimeMs > statSync(source).mtimeMs);
}

/** The object of bpf/flows.bpf.c, built from the headers as they are. */
export function flowObject(): string {
  const source = fileURLToPath(new URL('bpf/flows.bpf.c', import.meta.url));
  const include = fileURLToPath(new URL('../../../bpf/include', import.meta.url));
  const object = `${out}flows.bpf.o`;
  mkdirSync(out, { recursive: true });
  const multiarch = execFileSync('cc', ['-print-multiarch'], { encoding: 'utf8' }).trim();
  const arch = process.arch === 'arm64' ? 'arm64' : 'x86';
  const flags = ['-O2', '-g', '-target', 'bpf', '-mcpu=v3', `-D__TARGET_ARCH_${arch}`];
  execFileSync('clang', [...flags, '-I', include, '-I', `/usr/include/${multiarch}`, '-c', source, '-o', object]);
  return object;
}

/** The program of flood.c. */
function sender(): string {
  const source = fileURLToPath(new URL('flood.c', import.meta.url));
  const program = `${out}flood`;
  mkdirSync(out, { recursive: true });
  if (!newerThan(program, [source])) execFileSync('cc', ['-O2', '-Wall', '-o', program, source]);
  return program;
}

export interface Count {
  packets: number;
  bytes: number;
}

/** A namespace with one veth pair to ours; nothing but what a test sends goes over it. */
export class Cable implements Disposable {
  static serial = 0;
  readonly namespace: string;
  /** Our end. */
  readonly device: string;
  readonly ifindex: number;

  constructor(addresses?: { readonly ours: string; readonly theirs: string }) {
    const name = `flows${process.pid % 10000}x${Cable.serial++}`;
    this.namespace = name;
    this.device = `${name}h`;
    const quiet = (device: string, prefix: string[]) => {
      execFileSync('ip', [...prefix, 'link', 'set', device, 'addrgenmode', 'none']);
      execFileSync('ip', [...prefix, 'link', 'set', device, 'arp', addresses ? 'on' : 'off', 'up']);
    };
    execFileSync('ip', ['netns', 'add', name]);
    execFileSync('ip', ['link', 'add', this.device, 'type', 'veth', 'peer', 'name', 'peer', 'netns', name]);
    quiet(this.device, []);
    quiet('peer', ['-n', name]);
    if (addresses) {
      execFileSync('ip', ['addr', 'add', addresses.ours, 'dev', this.device]);
      execFileSync('ip', ['-n', name, 'addr', 'add', addresses.theirs, 'dev', 'peer']);
    }
    this.ifindex = Number(readFileSync(`/sys/class/net/${this.device}/ifindex`, 'utf8'));
  }

  /** Inode of the namespace at the other end. */
  get netns(): number {
    return statSync(`/run/netns/${this.namespace}`).ino;
  }

  /** From the namespace to us, seen on our end's ingress hook; or the other way. Exactly what is returned was sent. */
  async send(
    way: 'ingress' | 'egress',
    packets: number,
    flows: number,
    family: 4 | 6 = 4,
    random = false,
  ): Promise<Count> {
    const [command, ...rest] = this.sending(way, packets, flows, family, random);
    return JSON.parse((await run(command!, rest)).stdout) as Count;
  }

  /** The same, with the event loop blocked meanwhile. */
  sendNow(way: 'ingress' | 'egress', packets: number, flows: number): Count {
    const [command, ...rest] = this.sending(way, packets, flows, 4, false);
    return JSON.parse(execFileSync(command!, rest, { encoding: 'utf8' })) as Count;
  }

  private sending(way: 'ingress' | 'egress', packets: number, flows: number, family: 4 | 6, random: boolean): string[] {
    const device = way === 'ingress' ? 'peer' : this.device;
    const words = [sender(), device, String(packets), String(flows), String(family), ...(random ? ['random'] : [])];
    return way === 'ingress' ? ['ip', 'netns', 'exec', this.namespace, ...words] : words;
  }

  /** Runs a script with node inside the namespace. */
  node(script: string): Promise<{ stdout: string }> {
    return run('ip', ['netns', 'exec', this.namespace, process.execPath, '-e', script]);
  }

  remove(): void {
    if (existsSync(`/sys/class/net/${this.device}`)) execFileSync('ip', ['link', 'del', this.device]);
  }

  [Symbol.dispose](): void {
    this.remove();
    execFileSync('ip', ['netns', 'del', this.namespace]);
  }
}

export interface RingSizes {
  readonly units?: number;
  readonly cpus?: number;
  readonly spill?: number;
  readonly overflow?: number;
}

/** A loaded flow object with its source, adding up what it hands over. */
export class Observer implements AsyncDisposable {
  readonly object: LoadedObject;
  readonly source: LoadedFlowSource;
  readonly total: Count = { packets: 0, bytes: 0 };
  readonly flows = new Set<string>();
  rows = 0;
  batches = 0;
  onBatch: ((batch: FlowBatch) => void) | undefined;
  private readonly links: TapLink[] = [];

  private constructor(object: LoadedObject, options: FlowSourceOptions) {
    this.object = object;
    this.source = object.flows(options, (batch) => this.take(batch));
  }

  static async open(cpus: number, sizes: RingSizes = {}, options: FlowSourceOptions = {}): Promise<Observer> {
    const { units = 65536, spill = 16384, overflow = 4096 } = sizes;
    const regions = sizes.cpus ?? cpus;
    using spec = openObject(flowObject());
    const object = await spec.load({
      constants: { rt_ring_units: units, rt_ring_cpus: regions, rt_hash_seed: 0x1234567n },
      maxEntries: {
        rt_ring: Math.max(1, (units / 2) * regions),
        rt_ring_cpu: Math.max(1, regions),
        rt_spill_0: spill,
        rt_spill_1: spill,
        rt_overflow: overflow,
      },
    });
    return new Observer(object, options);
  }

  async tap(cable: Cable): Promise<void> {
    this.source.setInterface(cable.ifindex, 'endpoint', cable.netns);
    for (const way of ['ingress', 'egress'] as const) {
      this.links.push(await this.object.attachTap(`flows_${way}`, cable.ifindex, way));
    }
  }

  private take(batch: FlowBatch): void {
    this.batches++;
    this.rows += batch.length;
    for (let row = 0; row < batch.length; row++) {
      this.total.packets += batch.packets(row);
      this.total.bytes += batch.bytes(row);
      if (batch.fresh(row) === 1) {
        const address = [0, 1, 2, 3].map((word) => batch.sourceWord(row, word)).join();
        this.flows.add(`${batch.ifindex(row)} ${address} ${batch.sourcePort(row)} ${batch.direction(row)}`);
      }
    }
    this.onBatch?.(batch);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.links) link[Symbol.dispose]();
    this.source[Symbol.dispose]();
    this.object[Symbol.dispose]();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
