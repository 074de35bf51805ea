import { dnsRecordsLayout } from './dns.gen.ts';

export const TCP = 6;
export const UDP = 17;
const OFFSETS = Object.fromEntries(
  Object.entries(dnsRecordsLayout.fields).map(([name, { offset }]) => [name, offset]),
) as Readonly<Record<keyof typeof dnsRecordsLayout.fields, number>>;
export const STRIDE = dnsRecordsLayout.stride;
export const DATA = OFFSETS.data;
export const CHUNK = dnsRecordsLayout.fields.data.size;

/** enum dns_mark */
const EGRESS = 1;
const UPLINK = 2;
const FRAGMENT = 4;

/** What one record says of its packet. Filled again for each: allocates nothing. */
export class Packet {
  /** Source, then destination address, as flow records have them. */
  readonly addresses = new Uint8Array(new ArrayBuffer(32));
  /** The same by words. */
  readonly words = new Int32Array(this.addresses.buffer);
  readonly source = this.addresses.subarray(0, 16);
  readonly destination = this.addresses.subarray(16, 32);
  /** Milliseconds of CLOCK_MONOTONIC. */
  at = 0;
  ifindex = 0;
  /** TCP: number of the first byte of payload. */
  sequence = 0;
  sourcePort = 0;
  destinationPort = 0;
  /** Payload of the whole packet in bytes, and where this record's part of it begins. */
  length = 0;
  offset = 0;
  /** Payload of each packet but the last that this one stands for; 0 if it is one. */
  segment = 0;
  flags = 0;
  protocol = 0;
  family = 0;
  egress = false;
  uplink = false;
  /** Seen from the host: an uplink or an extra tap, not an endpoint's interface. */
  network = false;
  fragment = false;
  cpu = 0;

  /** Reads the record at byte `start` of a slab. */
  read(view: DataView, start: number): void {
    for (let i = 0; i < 8; i++) this.words[i] = view.getInt32(start + 4 * i, true);
    this.at =
      (view.getUint32(start + OFFSETS.at + 4, true) * 4294967296 + view.getUint32(start + OFFSETS.at, true)) / 1e6;
    this.ifindex = view.getUint32(start + OFFSETS.ifindex, true);
    this.sequence = view.getUint32(start + OFFSETS.sequence, true);
    this.sourcePort = view.getUint16(start + OFFSETS.sport, true);
    this.destinationPort = view.getUint16(start + OFFSETS.dport, true);
    this.length = view.getUint16(start + OFFSETS.length, true);
    this.offset = view.getUint16(start + OFFSETS.offset, true);
    this.segment = view.getUint16(start + OFFSETS.segment, true);
    this.flags = view.getUint8(start + OFFSETS.flags);
    this.protocol = view.getUint8(start + OFFSETS.protocol);
    this.family = view.getUint8(start + OFFSETS.family);
    const marks = view.getUint8(start + OFFSETS.marks);
    this.egress = (marks & EGRESS) !== 0;
    this.network = this.uplink = (marks & UPLINK) !== 0;
    this.fragment = (marks & FRAGMENT) !== 0;
    this.cpu = view.getUint16(start + OFFSETS.cpu, true);
  }

  /** One that stays, for what is kept of a stream. */
  copy(): Packet {
    const copy = new Packet();
    copy.addresses.set(this.addresses);
    const { at, ifindex, sourcePort, destinationPort, protocol, family, egress, uplink, network } = this;
    return Object.assign(copy, { at, ifindex, sourcePort, destinationPort, protocol, family, egress, uplink, network });
  }

  /** Where queries and their responses pass alike: an interface, or any of the uplinks. */
  get place(): number {
    return this.uplink ? 0 : this.ifindex;
  }

  /** Whether it goes to a group. */
  get multicast(): boolean {
    const { destination, family } = this;
    return family === 6 ? destination[0] === 0xff : destination[12]! >= 224;
  }
}
