import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Packet } from '../packets/packet.ts';
import type { DeviceCounters, Namespace } from '../world/namespace.ts';
import type { Running } from '../world/run.ts';
import { generator } from './generator.ts';

/** What a sender or a server says of itself at its end. */
export interface Report {
  /** On the wire, where it can know (frames, datagrams). */
  readonly packets: number;
  /** On the wire, from the link layer up. */
  readonly bytes: number;
  /** Bytes given to or taken from sockets. */
  readonly payload: number;
  readonly connections: number;
  /** Sends the device had no room for, and connections that failed otherwise than by refusal. Never counted as sent. */
  readonly failed: number;
  readonly refused: number;
  /** Of TCP sockets, as TCP_INFO has them: segments on the wire, GSO undone. */
  readonly segmentsOut: number;
  readonly segmentsIn: number;
  /** Payload those segments carried, what was sent twice counted twice. */
  readonly bytesOut: number;
  readonly retransmits: number;
  readonly seconds: number;
}

/** A report, and what the sending device's own counters moved by meanwhile. */
export interface Sent extends Report {
  readonly device: DeviceCounters;
}

/** From where frames of {@link flood} and {@link sendFrames} go, and to where. MAC addresses matter where a bridge or host looks at them. */
export interface FrameRoute {
  readonly device: string;
  readonly source: string;
  readonly destination: string;
  readonly sourceMac?: string;
  readonly destinationMac?: string;
}

export interface FloodOptions extends FrameRoute {
  /** Give one of the two, or both. */
  readonly packets?: number;
  readonly seconds?: number;
  /** Packets per second; as fast as it goes if left out. */
  readonly rate?: number;
  /** Flows: 60 000 source ports, then destination ports, then source addresses. Default 1. */
  readonly flows?: number;
  /** Default round-robin: flow n gets every flows-th packet. */
  readonly order?: 'round-robin' | 'random' | 'zipf';
  /** UDP payload. Default 64. */
  readonly size?: number;
  readonly port?: number;
  readonly ports?: number;
  readonly sourcePort?: number;
  readonly seed?: number;
  /** Leave without the queueing discipline: faster, but past the device's egress hook. */
  readonly bypass?: boolean;
  /** Run before everything else on the machine, for measurements. */
  readonly urgent?: boolean;
}

/** Sends UDP frames made by hand through a device: any number of flows, exactly `packets` of them. */
export function flood(from: Namespace, options: FloodOptions): Promise<Sent> {
  return watched(from, options.device, 'flood', options);
}

export interface SendFramesOptions {
  readonly device: string;
  /** Frames in all, going round; default: each once. */
  readonly packets?: number;
  readonly rate?: number;
}

/** Sends given frames, at most 1024 of up to 2048 bytes, as they are. */
export async function sendFrames(
  from: Namespace,
  frames: readonly Packet[],
  options: SendFramesOptions,
): Promise<Sent> {
  const folder = mkdtempSync(join(tmpdir(), 'retina-frames-'));
  try {
    const file = join(folder, 'frames');
    const parts = frames.flatMap(({ bytes }) => [Buffer.from(Uint32Array.of(bytes.length).buffer), bytes]);
    writeFileSync(file, Buffer.concat(parts));
    return await watched(from, options.device, 'replay', { ...options, file });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export interface DatagramOptions {
  readonly source: string;
  readonly destination: string;
  readonly port: number;
  /** On the wire; with `segment`, sends are made of whole GSO packets and the rest is left out. */
  readonly packets?: number;
  readonly seconds?: number;
  readonly rate?: number;
  /** Sockets, each with its own source port; at most 1000. */
  readonly flows?: number;
  readonly ports?: number;
  readonly sourcePort?: number;
  /** Payload of one send. */
  readonly size?: number;
  /** GSO: payload per packet on the wire. */
  readonly segment?: number;
}

/** Sends datagrams through real sockets. */
export function datagrams(from: Namespace, options: DatagramOptions): Promise<Report> {
  return once(from, 'udp', options);
}

export interface StreamOptions {
  readonly destination: string;
  readonly port: number;
  readonly bytes?: number;
  readonly seconds?: number;
  /** Bytes per write. Default 256 KiB. */
  readonly size?: number;
}

/** Sends bulk data over one TCP connection, closes it, and waits until the other side has closed too. */
export function stream(from: Namespace, options: StreamOptions): Promise<Report> {
  return once(from, 'stream', options);
}

export interface ConnectOptions {
  readonly destination: string;
  readonly port: number;
  /** Connections to make. */
  readonly packets?: number;
  readonly seconds?: number;
  /** New connections per second. */
  readonly rate?: number;
  /** Open at a time. Default 1. */
  readonly connections?: number;
  /** Bytes asked and answered on each; 0 for none. */
  readonly size?: number;
  /** End by RST instead of FIN. */
  readonly reset?: boolean;
}

/** Makes TCP connections one after the other. */
export function connect(from: Namespace, options: ConnectOptions): Promise<Report> {
  return once(from, 'connect', options);
}

/** What {@link legacyDrop} ends with where the kernel has no tables of the older iptables. */
const NO_TABLES = 3;

/**
 * Has a rule of the older iptables (`filter`, chain FORWARD) drop what a namespace forwards by UDP to an address. Its table is replaced:
 * there is one such rule per family. False where the kernel has no such tables, or does not find their modules.
 */
export async function legacyDrop(where: Namespace, destination: string): Promise<boolean> {
  const table = destination.includes(':') ? 'ip6table_filter' : 'iptable_filter';
  await where.exec('modprobe', [table], { mayFail: true }); // built in, or not there
  const { code, stderr } = await where.exec(await generator(), ['legacy-drop', ...flags({ destination })], {
    mayFail: true,
  });
  if (code !== 0 && code !== NO_TABLES) throw new Error(stderr);
  return code === 0;
}

/** A server in a namespace; it ends with its report. */
export class Server {
  private readonly running: Running;

  constructor(running: Running) {
    this.running = running;
  }

  get pid(): number {
    return this.running.pid;
  }

  /** Ends it and returns what it took. */
  async stop(): Promise<Report> {
    this.running.kill();
    await this.running.ended;
    return parse(this.running.stdout);
  }
}

/** Starts a server: `udp-sink` and `stream-sink` take data, `accept` takes connections and answers. It listens when this resolves. */
export async function serve(
  where: Namespace,
  mode: 'udp-sink' | 'stream-sink' | 'accept',
  options: { readonly source: string; readonly port: number },
): Promise<Server> {
  const running = where.spawn(await generator(), [mode, ...flags(options)]);
  await running.output(/^ready$/m);
  return new Server(running);
}

async function once(from: Namespace, mode: string, options: object): Promise<Report> {
  const { stdout } = await from.exec(await generator(), [mode, ...flags(options)], { timeoutMs: 300_000 });
  return parse(stdout);
}

async function watched(from: Namespace, device: string, mode: string, options: object): Promise<Sent> {
  const before = await from.counters(device);
  const report = await once(from, mode, options);
  const after = await from.counters(device);
  const moved = Object.fromEntries(
    Object.entries(after).map(([name, value]) => [name, value - before[name as keyof DeviceCounters]]),
  );
  return { ...report, device: moved as unknown as DeviceCounters };
}

function flags(options: object): string[] {
  return Object.entries(options).flatMap(([name, value]: [string, string | number | boolean | undefined]) => {
    if (value === undefined || value === false) return [];
    const flag = `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
    return value === true ? [flag] : [flag, String(value)];
  });
}

function parse(stdout: string): Report {
  const line = stdout.trim().split('\n').at(-1) ?? '';
  if (!line.startsWith('{')) throw new Error(`Expected a report but received "${stdout.slice(0, 200)}"`);
  return JSON.parse(line) as Report;
}
