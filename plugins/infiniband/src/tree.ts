import { join } from 'node:path';
import { entries, type Problem, readNumber, TreeError } from './files.ts';

/** One number of the tree. `port` is empty for what belongs to an interface. */
interface Reading {
  readonly name: string;
  /** Device or interface. */
  readonly owner: string;
  readonly port: string;
  readonly value: bigint;
}

export interface TreeOptions {
  /** Where sysfs is. */
  readonly root: string;
  readonly hwCounters: boolean;
  /** How names of network interfaces begin that have status parameters. */
  readonly interfacePrefix: string;
  /** Most files per reading. */
  readonly maxFiles: number;
  readonly signal: AbortSignal;
}

/** One walk through the tree. */
export interface Walk {
  readonly devices: number;
  readonly counters: readonly Reading[];
  readonly parameters: readonly Reading[];
  /** What could not be read; folders that need not be there are none. */
  readonly problems: readonly TreeError[];
}

/** Lies among the counters, and is a setting: how often the device refreshes them. */
const SETTINGS = new Set(['lifespan']);

/** Reads the whole tree, one file after the other: a file costs a question to the device's firmware. */
export async function walk(options: TreeOptions): Promise<Walk> {
  const walker = new Walker(options);
  const devices = await walker.list(join(options.root, 'class/infiniband'), true);
  const counters: Reading[] = [];
  for (const device of devices) {
    const ports = join(options.root, 'class/infiniband', device, 'ports');
    for (const port of await walker.list(ports)) {
      const own = await walker.read(join(ports, port, 'counters'), device, port);
      counters.push(...own);
      if (!options.hwCounters) continue;
      const names = new Set(own.map(({ name }) => name));
      const more = await walker.read(join(ports, port, 'hw_counters'), device, port, true);
      counters.push(...more.filter(({ name }) => !names.has(name)));
    }
  }
  const parameters: Reading[] = [];
  for (const name of await walker.list(join(options.root, 'class/net'), true)) {
    if (!name.startsWith(options.interfacePrefix)) continue;
    parameters.push(...(await walker.read(join(options.root, 'class/net', name, 'debug'), name, '', true)));
  }
  return { devices: devices.length, counters, parameters, problems: walker.problems };
}

class Walker {
  readonly problems: TreeError[] = [];
  private readonly options: TreeOptions;
  private files = 0;

  constructor(options: TreeOptions) {
    this.options = options;
  }

  /** Names in a folder; none where it cannot be read, which is a problem unless it `may` be missing. */
  async list(folder: string, may = false): Promise<string[]> {
    if (this.options.signal.aborted) return [];
    const names = await this.attempt(() => entries(folder), may ? 'vanished' : undefined);
    return names ?? [];
  }

  async read(folder: string, owner: string, port: string, may = false): Promise<Reading[]> {
    const readings: Reading[] = [];
    for (const name of await this.list(folder, may)) {
      if (SETTINGS.has(name)) continue;
      if (this.options.signal.aborted) break;
      if (++this.files > this.options.maxFiles) {
        if (this.files === this.options.maxFiles + 1) this.problems.push(this.tooMany());
        break;
      }
      const value = await this.attempt(() => readNumber(join(folder, name)));
      if (value !== undefined) readings.push({ name, owner, port, value });
    }
    return readings;
  }

  private async attempt<T>(work: () => Promise<T>, expected?: Problem): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof TreeError)) throw error;
      if (error.problem !== expected) this.problems.push(error);
      return undefined;
    }
  }

  private tooMany(): TreeError {
    return new TreeError('too_many', `there are more than ${this.options.maxFiles} files; raise maxFiles to read them`);
  }
}
