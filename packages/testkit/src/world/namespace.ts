import { statSync } from 'node:fs';
import { run, type RunOptions, Running, type RunResult } from './run.ts';

/** A device's own counters, as the kernel keeps them. A GSO packet counts once here. */
export interface DeviceCounters {
  readonly rxPackets: number;
  readonly rxBytes: number;
  readonly rxDropped: number;
  readonly txPackets: number;
  readonly txBytes: number;
  readonly txDropped: number;
}

/** A network namespace with a name under /run/netns. */
export class Namespace {
  /** Its full, unique name. */
  readonly name: string;
  private readonly processes = new Set<Running>();

  constructor(name: string) {
    this.name = name;
  }

  get path(): string {
    return `/run/netns/${this.name}`;
  }

  /** Inode number: how the kernel names it elsewhere. */
  get inode(): number {
    return statSync(this.path).ino;
  }

  /** Runs a program inside, to its end. */
  exec(command: string, args: readonly string[] = [], options: RunOptions = {}): Promise<RunResult> {
    return run('ip', ['netns', 'exec', this.name, command, ...args], options);
  }

  /** Starts a program inside. It ends with the world at the latest. */
  spawn(command: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Running {
    const running = new Running('ip', ['netns', 'exec', this.name, command, ...args], {
      env: { ...process.env, ...env },
    });
    this.processes.add(running);
    void running.ended.then(() => this.processes.delete(running));
    return running;
  }

  /** `ip` inside, each text one command without the word `ip`, all in one process. */
  async ip(...commands: readonly string[]): Promise<void> {
    await run('ip', ['-n', this.name, '-batch', '-'], { input: commands.join('\n') + '\n' });
  }

  /** Adds nftables rules: the text of an `nft -f` file. */
  async nft(rules: string): Promise<void> {
    // As an argument: nft 1.0.9 (Ubuntu 24.04) reads no rules from a socket, which is what standard input is to it here.
    await this.exec('nft', [rules]);
  }

  async sysctl(settings: Readonly<Record<string, string | number>>): Promise<void> {
    await this.exec('sysctl', ['-qw', ...Object.entries(settings).map(([key, value]) => `${key}=${value}`)]);
  }

  async counters(device: string): Promise<DeviceCounters> {
    const { stdout } = await run('ip', ['-n', this.name, '-j', '-s', 'link', 'show', 'dev', device]);
    const [link] = JSON.parse(stdout) as [{ stats64: Record<'rx' | 'tx', Record<string, number>> }];
    const { rx, tx } = link.stats64;
    return {
      rxPackets: rx['packets']!,
      rxBytes: rx['bytes']!,
      rxDropped: rx['dropped']!,
      txPackets: tx['packets']!,
      txBytes: tx['bytes']!,
      txDropped: tx['dropped']!,
    };
  }

  /** The kernel's own counters of protocols inside, by their names in `/proc/net/snmp` and `/proc/net/netstat`: `RetransSegs`, `TCPLossProbes`. */
  async protocolCounters(): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    const { stdout } = await this.exec('cat', ['/proc/net/snmp', '/proc/net/netstat']);
    const lines = stdout.trim().split('\n');
    for (let i = 0; i + 1 < lines.length; i += 2) {
      const values = lines[i + 1]!.split(/:? /);
      for (const [n, name] of lines[i]!.split(/:? /).entries()) if (n > 0) counts.set(name, Number(values[n]));
    }
    return counts;
  }

  async ifindex(device: string): Promise<number> {
    const { stdout } = await run('ip', ['-n', this.name, '-j', 'link', 'show', 'dev', device]);
    return (JSON.parse(stdout) as [{ ifindex: number }])[0].ifindex;
  }

  async mac(device: string): Promise<string> {
    const { stdout } = await run('ip', ['-n', this.name, '-j', 'link', 'show', 'dev', device]);
    return (JSON.parse(stdout) as [{ address: string }])[0].address;
  }

  /** Ends what was started inside. Called by the world. */
  async endProcesses(): Promise<void> {
    await Promise.all([...this.processes].map((running) => running[Symbol.asyncDispose]()));
  }
}
