import { type BuildContext, checksum, concat, ETHERTYPE, type Layer, PROTOCOL, pseudoHeader } from './layer.ts';

/** Flags in the order of the SDK's TCP_FLAGS. */
const FLAG_BITS = { FIN: 0, SYN: 1, RST: 2, PSH: 3, ACK: 4, URG: 5, ECE: 6, CWR: 7, NS: 8 } as const;
export type TcpFlagName = keyof typeof FLAG_BITS;

export interface TcpOptions {
  readonly source: number;
  readonly destination: number;
  readonly flags?: readonly TcpFlagName[];
  readonly sequence?: number;
  readonly acknowledgment?: number;
  readonly window?: number;
  /** Raw options, padded to a multiple of four bytes. */
  readonly options?: Uint8Array;
  /** Override of the data offset, for malformed headers. */
  readonly headerWords?: number;
}

export function tcp(o: TcpOptions): Layer {
  const flags = (o.flags ?? ['ACK']).reduce((bits, flag) => bits | (1 << FLAG_BITS[flag]), 0);
  const options = new Uint8Array(Math.ceil((o.options?.length ?? 0) / 4) * 4);
  options.set(o.options ?? []);
  return {
    kind: 'transport',
    type: PROTOCOL.TCP,
    facts: { needed: 20, ports: [o.source, o.destination], tcpFlags: flags },
    build: (contents, context) => {
      const header = new Uint8Array(20 + options.length);
      const view = new DataView(header.buffer);
      view.setUint16(0, o.source);
      view.setUint16(2, o.destination);
      view.setUint32(4, o.sequence ?? 1);
      view.setUint32(8, o.acknowledgment ?? 0);
      header[12] = ((o.headerWords ?? header.length / 4) << 4) | (flags >> 8);
      header[13] = flags & 0xff;
      view.setUint16(14, o.window ?? 64240);
      header.set(options, 20);
      return withChecksum(header, contents, 16, PROTOCOL.TCP, context);
    },
  };
}

export interface PortOptions {
  readonly source: number;
  readonly destination: number;
}

export function udp(o: PortOptions): Layer {
  return {
    kind: 'transport',
    type: PROTOCOL.UDP,
    facts: { needed: 8, ports: [o.source, o.destination] },
    build: (contents, context) => {
      const header = new Uint8Array(8);
      const view = new DataView(header.buffer);
      view.setUint16(0, o.source);
      view.setUint16(2, o.destination);
      view.setUint16(4, 8 + contents.length);
      return withChecksum(header, contents, 6, PROTOCOL.UDP, context);
    },
  };
}

/** An SCTP common header with an INIT chunk's first bytes and a right CRC32c. */
export function sctp(o: PortOptions): Layer {
  return {
    kind: 'transport',
    type: PROTOCOL.SCTP,
    facts: { needed: 12, ports: [o.source, o.destination] },
    build: (contents) => {
      const packet = concat(new Uint8Array(12), contents);
      const view = new DataView(packet.buffer);
      view.setUint16(0, o.source);
      view.setUint16(2, o.destination);
      view.setUint32(8, crc32c(packet), true);
      return packet;
    },
  };
}

export interface IcmpOptions {
  readonly type?: number;
  readonly code?: number;
}

/** ICMP; an echo request unless told otherwise. */
export function icmp(o: IcmpOptions = {}): Layer {
  return icmpLayer(PROTOCOL.ICMP, o.type ?? 8, o.code ?? 0);
}

/** ICMPv6; an echo request unless told otherwise. */
export function icmpv6(o: IcmpOptions = {}): Layer {
  return icmpLayer(PROTOCOL.ICMPV6, o.type ?? 128, o.code ?? 0);
}

function icmpLayer(protocol: number, type: number, code: number): Layer {
  return {
    kind: 'transport',
    type: protocol,
    // ICMPv6 headers are four bytes for every type; what an echo adds is its body.
    facts: { needed: protocol === PROTOCOL.ICMPV6 ? 4 : 8, icmp: [type, code] },
    build: (contents, context) => {
      const header = Uint8Array.of(type, code, 0, 0, 0, 1, 0, 1);
      if (protocol === PROTOCOL.ICMPV6) return withChecksum(header, contents, 2, protocol, context);
      new DataView(header.buffer).setUint16(2, checksum(header, contents));
      return concat(header, contents);
    },
  };
}

/** GRE (version 0, no options) around a whole IP packet. A flow parser keys it by the outer header. */
export function gre(): Layer {
  return {
    kind: 'tunnel',
    type: PROTOCOL.GRE,
    facts: { needed: 0 },
    build: (contents, { next }) => concat(Uint8Array.of(0, 0, next >> 8, next & 0xff), contents),
  };
}

/** Any IP protocol that has no ports, by number. */
export function otherProtocol(protocol: number): Layer {
  return { kind: 'transport', type: protocol, facts: { needed: 0 }, build: (contents) => contents };
}

/** Bytes that are what they are. Without `type`, the layer outside must state its own. */
export function payload(size: number | Uint8Array, type: number = PROTOCOL.NO_NEXT): Layer {
  const bytes = typeof size === 'number' ? Uint8Array.from({ length: size }, (_, i) => i & 0xff) : size;
  return { kind: 'payload', type, build: (contents) => concat(bytes, contents) };
}

/** An ARP request: a frame that is no IP packet. */
export function arp(): Layer {
  const head = [0, 1, 8, 0, 6, 4, 0, 1];
  return payload(Uint8Array.from([...head, ...new Array<number>(20).fill(1)]), ETHERTYPE.ARP);
}

function withChecksum(
  header: Uint8Array,
  contents: Uint8Array,
  at: number,
  protocol: number,
  context: BuildContext,
): Uint8Array {
  const packet = concat(header, contents);
  if (!context.ip) return packet;
  const sum = checksum(pseudoHeader(context.ip, protocol, packet.length), packet);
  // UDP sends an all-zero checksum as all ones: zero means "none".
  new DataView(packet.buffer).setUint16(at, sum === 0 && protocol === PROTOCOL.UDP ? 0xffff : sum);
  return packet;
}

function crc32c(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}
