import { type Netlink, NetlinkFamily, type NetlinkMessage, RetinaError, type Translation, type Translations } from '@retina/sdk'; // prettier-ignore
import { DUMP, type Entry, Group, hasPorts, HEADER, Message, NAT, payload, readEntry, STATUS, Status, withStatus } from './ctnetlink.ts'; // prettier-ignore

/** What happened, for the metrics. */
export interface Heard {
  begun(): void;
  ended(): void;
  noRoom(): void;
  /** The kernel had to drop messages. */
  lost(times: number): void;
  bad(): void;
  read(outcome: 'complete' | 'interrupted' | 'failed'): void;
}

/** Between two readings of everything that nothing forces. */
const REREAD_MS = 300_000;
/** Between two readings when messages are being lost. */
const LOST_PAUSE_MS = 10_000;

/**
 * Follows the connections the kernel translates: told by the kernel as they begin and end, and read from the table at the
 * start, after every loss, and every five minutes, so that no mistake lasts.
 */
export class Followed {
  private readonly netlink: Netlink;
  private readonly translations: Translations;
  private readonly heard: Heard;
  private readonly now: () => number;
  private nextReading = 0;

  constructor(netlink: Netlink, translations: Translations, heard: Heard, now: () => number = Date.now) {
    this.netlink = netlink;
    this.translations = translations;
    this.heard = heard;
    this.now = now;
  }

  /** Throws RETINA_NETLINK_FAILED where the kernel does not allow it. */
  subscribe(): Disposable {
    const groups = [Group.NEW, Group.DESTROY];
    // The kernel leaves out whatever is not translated: that is most of it, and would be thrown away here.
    const filter = { header: HEADER, attribute: STATUS, mask: NAT };
    return this.netlink.subscribe(
      NetlinkFamily.NETFILTER,
      groups,
      (messages, lost) => this.take(messages, lost),
      filter,
    );
  }

  /** Reads everything if it is time to. To be called every second or so. */
  async check(): Promise<void> {
    const now = this.now();
    if (now < this.nextReading) return;
    this.nextReading = now + REREAD_MS;
    await this.readAll(now);
  }

  /** What the kernel sent of its own accord. */
  take(messages: readonly NetlinkMessage[], lost: number): void {
    for (const message of messages) {
      if (message.type !== Message.NEW && message.type !== Message.DELETE) continue;
      const entry = readEntry(message.payload);
      if (!entry) this.heard.bad();
      else if (message.type === Message.DELETE) this.end(entry);
      else this.begin(entry);
    }
    if (lost === 0) return;
    this.heard.lost(lost);
    this.nextReading = Math.min(this.nextReading, this.now() + LOST_PAUSE_MS);
  }

  /** Two dumps: the kernel gives the entries that have all of the bits asked for. */
  private async readAll(since: number): Promise<void> {
    let interrupted = false;
    try {
      for (const bits of [Status.DST_NAT, Status.SRC_NAT]) {
        let all = false; // a kernel that does not know the question sends everything at the first
        const request = {
          family: NetlinkFamily.NETFILTER, type: Message.GET, flags: DUMP, payload: payload(0, ...withStatus(bits)),
        }; // prettier-ignore
        const done = await this.netlink.request(request, (messages) => {
          for (const { type, payload: bytes } of messages) {
            const entry = type === Message.NEW ? readEntry(bytes) : undefined;
            if (!entry) this.heard.bad();
            else if (entry.status & NAT) this.tell(entry);
            all ||= entry !== undefined && (entry.status & bits) === 0;
          }
        });
        interrupted ||= done.interrupted;
        if (all) break;
      }
    } catch (error) {
      this.heard.read('failed');
      throw RetinaError.from(error, 'RETINA_NETLINK_FAILED', 'The translated connections cannot be read');
    }
    this.heard.read(interrupted ? 'interrupted' : 'complete');
    if (!interrupted) this.translations.endOlder(since);
  }

  private begin(entry: Entry): void {
    if (this.tell(entry)) this.heard.begun();
  }

  private tell(entry: Entry): boolean {
    const translation = translationOf(entry);
    if (!translation) return false;
    if (this.translations.begin(translation)) return true;
    this.heard.noRoom();
    return false;
  }

  private end(entry: Entry): void {
    const translation = translationOf(entry);
    if (!translation) return;
    this.translations.end(translation);
    this.heard.ended();
  }
}

/** What of a connection is translated; undefined if nothing is, or if it has no ports to know it by. */
export function translationOf({ original, reply }: Entry): Translation | undefined {
  if (!hasPorts(original.protocol)) return undefined;
  const same =
    original.sourcePort === reply.destinationPort &&
    original.destinationPort === reply.sourcePort &&
    equal(original.source, reply.destination) &&
    equal(original.destination, reply.source);
  if (same) return undefined;
  return {
    protocol: original.protocol,
    source: original.source,
    sourcePort: original.sourcePort,
    destination: original.destination,
    destinationPort: original.destinationPort,
    // the reply comes from where the packets went, and goes to where they seemed to come from
    newSource: reply.destination,
    newSourcePort: reply.destinationPort,
    newDestination: reply.source,
    newDestinationPort: reply.sourcePort,
  };
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return a.every((byte, i) => byte === b[i]);
}
