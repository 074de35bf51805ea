import { addressBytes } from './address.ts';

/** One header of a packet. Layers are listed outermost first; each gives its own header in front of what it carries. */
export interface Layer {
  readonly kind: 'link' | 'tag' | 'ip' | 'extension' | 'transport' | 'tunnel' | 'payload';
  /** How the layer outside refers to this one: an EtherType in front of IP, else an IP protocol number. */
  readonly type: number;
  /** Header and contents, given the built contents. */
  build(contents: Uint8Array, context: BuildContext): Uint8Array;
  /** What the layer says to a parser of flows. */
  readonly facts?: Facts;
}

export interface BuildContext {
  /** The type of the layer inside; 59 (no next header) or 0 where there is none. */
  readonly next: number;
  /** The nearest IP header outside, whose addresses L4 checksums cover. */
  readonly ip: IpFacts | undefined;
}

export interface IpFacts {
  readonly family: 4 | 6;
  readonly source: string;
  readonly destination: string;
  /** A fragment other than the first: what follows is payload without a header. */
  readonly laterFragment?: boolean;
  /** The header length or version cannot be. */
  readonly malformed?: boolean;
}

interface Facts {
  readonly ip?: IpFacts;
  readonly laterFragment?: boolean;
  readonly ports?: readonly [source: number, destination: number];
  readonly icmp?: readonly [type: number, code: number];
  /** Bits in the order of the SDK's TCP_FLAGS, without SYNACK. */
  readonly tcpFlags?: number;
  /** Bytes of the header a flow parser cannot do without. */
  readonly needed: number;
  readonly malformed?: boolean;
}

export const ETHERTYPE = { IPV4: 0x0800, ARP: 0x0806, VLAN: 0x8100, IPV6: 0x86dd, QINQ: 0x88a8 } as const;
export const PROTOCOL = {
  HOP_BY_HOP: 0, ICMP: 1, IPIP: 4, TCP: 6, UDP: 17, IPV6: 41, ROUTING: 43, FRAGMENT: 44, GRE: 47, ESP: 50, AH: 51,
  ICMPV6: 58, NO_NEXT: 59, DESTINATION: 60, SCTP: 132,
} as const; // prettier-ignore

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** The Internet checksum (RFC 1071) over `parts` laid end to end; all but the last must be of even length. */
export function checksum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) {
    for (let i = 0; i < part.length; i += 2) sum += (part[i]! << 8) | (part[i + 1] ?? 0);
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

/** The pseudo header that TCP, UDP and ICMPv6 checksums cover. */
export function pseudoHeader(ip: IpFacts, protocol: number, length: number): Uint8Array {
  const tail = new Uint8Array(ip.family === 4 ? 4 : 8);
  const view = new DataView(tail.buffer);
  tail[tail.length - (ip.family === 4 ? 3 : 1)] = protocol;
  if (ip.family === 4) view.setUint16(2, length);
  else view.setUint32(0, length);
  return concat(addressBytes(ip.source), addressBytes(ip.destination), tail);
}
