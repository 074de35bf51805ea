import { addressText, addressBytes } from './address.ts';
import type { IpFacts, Layer } from './layer.ts';
import { PROTOCOL } from './layer.ts';

/** What identifies the flow of a packet, in the terms of the SDK's flow record. Ports are in host order. */
export interface FlowKey {
  readonly family: 4 | 6;
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly icmpType: number;
  readonly icmpCode: number;
}

/** Why a packet is in no flow. */
export type Unparsed = 'not_ip' | 'truncated' | 'malformed' | 'header_chain';

/** What a correct flow parser finds in one packet. */
export interface Expected {
  /** Undefined where the packet belongs to no flow; then `unparsed` says why. */
  readonly flow: FlowKey | undefined;
  readonly unparsed: Unparsed | undefined;
  /** Bits in the order of the SDK's TCP_FLAGS, SYNACK left to the reader. */
  readonly tcpFlags: number;
  readonly packets: 1;
  /** On the wire, from the link layer up. */
  readonly bytes: number;
}

export interface Packet {
  readonly bytes: Uint8Array;
  readonly expected: Expected;
  readonly layers: readonly Layer[];
}

/** IPv6 extension headers and VLAN tags that a parser must at least follow; more may be counted as `header_chain`. */
export const FOLLOWED = { extensions: 6, tags: 2 } as const;

/** Builds a packet from its layers, outermost first, with right lengths and checksums. */
export function packet(...layers: readonly Layer[]): Packet {
  const bytes = build(layers);
  return { bytes, layers, expected: expect(layers, bytes.length) };
}

/** The first `length` bytes of a packet, as a short capture or a broken sender leaves it. */
export function truncate(whole: Packet, length: number): Packet {
  const bytes = whole.bytes.slice(0, length);
  return { bytes, layers: whole.layers, expected: expect(whole.layers, bytes.length) };
}

/** A text that is equal for equal keys. */
export function flowText(key: FlowKey): string {
  const address = (text: string) => addressText(addressBytes(text));
  const ports = `${key.sourcePort}>${key.destinationPort}`;
  const icmp = key.icmpType || key.icmpCode ? ` icmp ${key.icmpType}/${key.icmpCode}` : '';
  return `${address(key.source)}>${address(key.destination)} ${key.protocol} ${ports}${icmp}`;
}

function build(layers: readonly Layer[]): Uint8Array {
  let contents: Uint8Array = new Uint8Array(0);
  for (let i = layers.length - 1; i >= 0; i--) {
    const ip = layers.slice(0, i).findLast((layer) => layer.facts?.ip)?.facts?.ip;
    const inside = layers[i + 1];
    contents = layers[i]!.build(contents, { next: inside?.type ?? PROTOCOL.NO_NEXT, ip });
  }
  return contents;
}

/** Walks the layers as a parser walks the bytes: outer headers decide, and a header cut short ends it. */
function expect(layers: readonly Layer[], bytes: number): Expected {
  const unparsed = (why: Unparsed): Expected => ({ flow: undefined, unparsed: why, tcpFlags: 0, packets: 1, bytes });
  let ip: IpFacts | undefined;
  let [end, tags, extensions, laterFragment] = [0, 0, 0, false];
  for (const layer of layers) {
    const { facts, kind } = layer;
    if (!ip && kind !== 'link' && kind !== 'tag' && kind !== 'ip') break;
    if (ip && (kind === 'ip' || kind === 'payload' || laterFragment)) return flow(ip, layer, bytes, laterFragment);
    end += facts?.needed ?? 0;
    if (end > bytes) return unparsed('truncated');
    if (facts?.malformed) return unparsed('malformed');
    if (kind === 'tag' && ++tags > FOLLOWED.tags) return unparsed('header_chain');
    if (kind === 'extension' && ++extensions > FOLLOWED.extensions) return unparsed('header_chain');
    ip ??= facts?.ip;
    laterFragment ||= facts?.laterFragment ?? false;
    if (kind === 'transport' || kind === 'tunnel') return flow(ip!, layer, bytes, laterFragment);
  }
  return ip ? flow(ip, undefined, bytes, laterFragment) : unparsed('not_ip');
}

function flow(ip: IpFacts, layer: Layer | undefined, bytes: number, laterFragment: boolean): Expected {
  const facts = laterFragment ? undefined : layer?.facts;
  const nested = layer?.kind === 'ip' ? (layer.facts!.ip!.family === 4 ? PROTOCOL.IPIP : PROTOCOL.IPV6) : undefined;
  return {
    flow: {
      family: ip.family,
      source: ip.source,
      destination: ip.destination,
      protocol: nested ?? layer?.type ?? PROTOCOL.NO_NEXT,
      sourcePort: facts?.ports?.[0] ?? 0,
      destinationPort: facts?.ports?.[1] ?? 0,
      icmpType: facts?.icmp?.[0] ?? 0,
      icmpCode: facts?.icmp?.[1] ?? 0,
    },
    unparsed: undefined,
    tcpFlags: facts?.tcpFlags ?? 0,
    packets: 1,
    bytes,
  };
}
