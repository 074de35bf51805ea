import { Namespace } from './namespace.ts';
import { run } from './run.ts';

const PREFIX = 'retina';

/** One end of a veth pair. */
export interface LinkEnd {
  readonly in: Namespace;
  readonly name: string;
  /** With prefix length, both families: `10.0.0.1/24`, `fd00::1/64`. */
  readonly addresses?: readonly string[];
  readonly mac?: string;
  /** Bridge or bond to join. */
  readonly master?: string;
}

/**
 * Network namespaces, their links and what runs in them; all gone when it is disposed of (`await using`). Names carry
 * the process id, so that worlds of several test processes stand side by side, and what a killed process left behind is
 * recognised and removed when the next world of the same area is made.
 */
export class World implements AsyncDisposable {
  readonly area: string;
  private readonly prefix: string;
  private readonly spaces = new Map<string, Namespace>();

  private constructor(area: string, serial: number) {
    this.area = area;
    this.prefix = `${PREFIX}-${area}-${process.pid}-${serial}-`;
  }

  private static serial = 0;

  /** An empty world. `area` is a short name for who makes it: lower-case letters and digits. Needs root. */
  static async create(area: string): Promise<World> {
    if (!/^[a-z0-9]+$/.test(area)) throw new TypeError(`Expected lower-case letters and digits but received "${area}"`);
    await removeLeftovers(area);
    return new World(area, World.serial++);
  }

  /**
   * Makes a namespace with loopback up. It keeps quiet of itself: no duplicate address detection, no router
   * solicitations, no link-local addresses made up.
   */
  async namespace(label: string): Promise<Namespace> {
    const space = new Namespace(this.prefix + label);
    await run('ip', ['netns', 'add', space.name]);
    this.spaces.set(space.name, space);
    const quiet: Record<string, number> = {};
    for (const which of ['all', 'default']) {
      quiet[`net.ipv6.conf.${which}.accept_dad`] = 0;
      quiet[`net.ipv6.conf.${which}.accept_ra`] = 0;
      quiet[`net.ipv6.conf.${which}.router_solicitations`] = 0;
      quiet[`net.ipv6.conf.${which}.addr_gen_mode`] = 1;
      // Group memberships are reported twice; the second time within milliseconds, not within a second.
      quiet[`net.ipv6.conf.${which}.mldv2_unsolicited_report_interval`] = 1;
    }
    await space.sysctl(quiet);
    await space.ip('link set lo up');
    return space;
  }

  /** Removes a namespace, with the links that end in it and everything that runs in it. */
  async remove(space: Namespace): Promise<void> {
    await space.endProcesses();
    this.spaces.delete(space.name);
    await removeNamespace(space.name);
  }

  /** A veth pair between two namespaces, up, with addresses. */
  async link(a: LinkEnd, b: LinkEnd): Promise<void> {
    const mac = (end: LinkEnd) => (end.mac ? ['address', end.mac] : []);
    const peer = ['peer', 'name', b.name, 'netns', b.in.name, ...mac(b)];
    await run('ip', ['link', 'add', a.name, 'netns', a.in.name, ...mac(a), 'type', 'veth', ...peer]);
    for (const end of [a, b]) {
      await end.in.ip(
        ...(end.master ? [`link set ${end.name} master ${end.master}`] : []),
        `link set ${end.name} up`,
        ...(end.addresses ?? []).map((address) => `addr add ${address} dev ${end.name}`),
      );
    }
  }

  /** A bridge, up, with addresses; links join it by `master`. A given MAC stays; otherwise it changes with the ports. */
  async bridge(space: Namespace, name: string, addresses: readonly string[] = [], mac?: string): Promise<void> {
    await space.ip(
      `link add ${name} ${mac ? `address ${mac} ` : ''}type bridge forward_delay 0 mcast_snooping 0`,
      `link set ${name} up`,
      ...addresses.map((address) => `addr add ${address} dev ${name}`),
    );
  }

  /** Lets a namespace route both families. */
  async router(space: Namespace): Promise<void> {
    await space.sysctl({ 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const spaces = [...this.spaces.values()];
    await Promise.all(spaces.map((space) => space.endProcesses()));
    for (const space of spaces) await this.remove(space);
  }
}

/** Removes worlds of `area` whose process is dead. Returns the names of the namespaces it removed. */
export async function removeLeftovers(area: string): Promise<string[]> {
  const { stdout } = await run('ip', ['-j', 'netns', 'list']);
  const names = stdout.trim() ? (JSON.parse(stdout) as { name: string }[]).map(({ name }) => name) : [];
  const removed: string[] = [];
  for (const name of names) {
    const owner = new RegExp(`^${PREFIX}-${area}-(\\d+)-`).exec(name);
    if (!owner || alive(Number(owner[1]))) continue;
    await removeNamespace(name);
    removed.push(name);
  }
  return removed;
}

async function removeNamespace(name: string): Promise<void> {
  const { stdout } = await run('ip', ['netns', 'pids', name], { mayFail: true });
  for (const pid of stdout.split('\n').map(Number)) {
    if (pid > 0) kill(pid);
  }
  await run('ip', ['netns', 'del', name], { mayFail: true });
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended meanwhile.
  }
}
