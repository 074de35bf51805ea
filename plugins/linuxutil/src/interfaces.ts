import { type Devices, eachAttribute, type Netlink, NetlinkFamily, attribute } from '@retina/sdk';

export interface Link {
  readonly ifindex: number;
  readonly name: string;
}

const RTM_NEWLINK = 16;
const RTM_GETLINK = 18;
const NLM_F_DUMP = 0x300;
/** struct ifinfomsg */
const HEADER = 16;
const IFLA_IFNAME = 3;
const IFLA_EXT_MASK = 29;
const RTEXT_FILTER_SKIP_STATS = 8;
const MOST_LINKS = 65_536;

/** Every interface of the agent's network namespace. */
export async function listLinks(netlink: Netlink): Promise<Link[]> {
  const links: Link[] = [];
  const mask = attribute(IFLA_EXT_MASK, Uint8Array.of(RTEXT_FILTER_SKIP_STATS, 0, 0, 0));
  const payload = new Uint8Array(HEADER + mask.length);
  payload.set(mask, HEADER);
  const request = { family: NetlinkFamily.ROUTE, type: RTM_GETLINK, flags: NLM_F_DUMP, payload };
  await netlink.request(request, (messages) => {
    for (const { type, payload: link } of messages) {
      if (type !== RTM_NEWLINK || link.length < HEADER || links.length >= MOST_LINKS) continue;
      const ifindex = new DataView(link.buffer, link.byteOffset, link.length).getInt32(4, true);
      eachAttribute(link, HEADER, link.length, (kind, from, to) => {
        if (kind !== IFLA_IFNAME) return;
        const name = Buffer.from(link.subarray(from, to)).toString('latin1').split('\0')[0]!;
        if (name && ifindex > 0) links.push({ ifindex, name });
      });
    }
  });
  return links;
}

/** What the driver of an interface says of itself. */
export interface LinkStatistics extends Link {
  readonly statistics: ReadonlyMap<string, number>;
}

/** Asks drivers for their statistics. A driver that keeps none is not asked again as long as its interface is the same. */
export class Drivers {
  private readonly devices: Devices;
  /** Index by name: an interface made anew under its old name has another one. */
  private readonly silent = new Map<string, number>();

  constructor(devices: Devices) {
    this.devices = devices;
  }

  get unsupported(): number {
    return this.silent.size;
  }

  /** Statistics of those links that have any. `failed` is told of those that could not be asked. */
  async ask(links: readonly Link[], signal: AbortSignal, failed: (error: unknown) => void): Promise<LinkStatistics[]> {
    const answers: LinkStatistics[] = [];
    const present = new Map(links.map(({ name, ifindex }) => [name, ifindex]));
    for (const [name, ifindex] of this.silent) if (present.get(name) !== ifindex) this.silent.delete(name);
    for (const link of links) {
      if (signal.aborted) break;
      if (this.silent.has(link.name)) continue;
      try {
        const statistics = await this.devices.statistics(link.name);
        if (statistics) answers.push({ ...link, statistics });
        else this.silent.set(link.name, link.ifindex);
      } catch (error) {
        failed(error);
      }
    }
    return answers;
  }
}
