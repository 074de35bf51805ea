import { addressBytes, macBytes } from './address.ts';
import { checksum, concat, ETHERTYPE, type Layer, PROTOCOL } from './layer.ts';

export interface EthernetOptions {
  readonly source?: string;
  readonly destination?: string;
  /** Default: that of the layer inside. */
  readonly type?: number;
}

export function ethernet(options: EthernetOptions = {}): Layer {
  const { source = '02:00:00:00:00:01', destination = '02:00:00:00:00:02' } = options;
  return {
    kind: 'link',
    type: 0,
    facts: { needed: 14 },
    build: (contents, { next }) => {
      const type = options.type ?? next;
      return concat(macBytes(destination), macBytes(source), Uint8Array.of(type >> 8, type & 0xff), contents);
    },
  };
}

/** An 802.1Q tag, or with `ETHERTYPE.QINQ` an 802.1ad one. */
export function vlan(id: number, tpid: number = ETHERTYPE.VLAN): Layer {
  return {
    kind: 'tag',
    type: tpid,
    facts: { needed: 4 },
    build: (contents, { next }) => concat(Uint8Array.of(id >> 8, id & 0xff, next >> 8, next & 0xff), contents),
  };
}

export interface Ipv4Options {
  readonly source: string;
  readonly destination: string;
  readonly ttl?: number;
  readonly tos?: number;
  readonly id?: number;
  /** Raw options, padded to a multiple of four bytes. */
  readonly options?: Uint8Array;
  /** Offset in bytes (a multiple of 8) and whether more follow. */
  readonly fragment?: { readonly offset: number; readonly more: boolean };
  /** Overrides, for malformed headers. */
  readonly version?: number;
  readonly headerWords?: number;
  readonly protocol?: number;
  readonly totalLength?: number;
}

export function ipv4(o: Ipv4Options): Layer {
  const options = new Uint8Array(Math.ceil((o.options?.length ?? 0) / 4) * 4);
  options.set(o.options ?? []);
  const headerWords = o.headerWords ?? 5 + options.length / 4;
  const laterFragment = (o.fragment?.offset ?? 0) > 0;
  const malformed = headerWords < 5 || (o.version ?? 4) !== 4;
  return {
    kind: 'ip',
    type: ETHERTYPE.IPV4,
    facts: {
      needed: 20 + options.length,
      ip: { family: 4, source: o.source, destination: o.destination },
      laterFragment,
      malformed,
    },
    build: (contents, { next }) => {
      const header = new Uint8Array(20 + options.length);
      const view = new DataView(header.buffer);
      header[0] = ((o.version ?? 4) << 4) | headerWords;
      header[1] = o.tos ?? 0;
      view.setUint16(2, o.totalLength ?? header.length + contents.length);
      view.setUint16(4, o.id ?? 0);
      view.setUint16(6, ((o.fragment?.more ?? false) ? 0x2000 : 0) | ((o.fragment?.offset ?? 0) >> 3));
      header[8] = o.ttl ?? 64;
      header[9] = o.protocol ?? ipProtocol(next);
      header.set(addressBytes(o.source), 12);
      header.set(addressBytes(o.destination), 16);
      header.set(options, 20);
      view.setUint16(10, checksum(header));
      return concat(header, contents);
    },
  };
}

export interface Ipv6Options {
  readonly source: string;
  readonly destination: string;
  readonly hopLimit?: number;
  readonly version?: number;
  /** Next header; default: that of the layer inside. */
  readonly protocol?: number;
}

export function ipv6(o: Ipv6Options): Layer {
  return {
    kind: 'ip',
    type: ETHERTYPE.IPV6,
    facts: {
      needed: 40,
      ip: { family: 6, source: o.source, destination: o.destination },
      malformed: (o.version ?? 6) !== 6,
    },
    build: (contents, { next }) => {
      const header = new Uint8Array(40);
      header[0] = (o.version ?? 6) << 4;
      new DataView(header.buffer).setUint16(4, contents.length);
      header[6] = o.protocol ?? ipProtocol(next);
      header[7] = o.hopLimit ?? 64;
      header.set(addressBytes(o.source), 8);
      header.set(addressBytes(o.destination), 24);
      return concat(header, contents);
    },
  };
}

/** A hop-by-hop, routing or destination options header of `units` × 8 + 8 bytes, filled with padding. */
export function extension(protocol: 0 | 43 | 60, units = 0): Layer {
  return {
    kind: 'extension',
    type: protocol,
    facts: { needed: 8 + 8 * units },
    build: (contents, { next }) => {
      const header = new Uint8Array(8 + 8 * units);
      header[0] = ipProtocol(next);
      header[1] = units;
      if (protocol === PROTOCOL.ROUTING)
        header[2] = 4; // segment routing; segments left: 0
      else header.set([1, header.length - 4], 2); // PadN
      return concat(header, contents);
    },
  };
}

/** An IPv6 fragment header; `offset` in bytes, a multiple of 8. */
export function fragment(offset: number, more: boolean, id = 0x1234, protocol?: number): Layer {
  return {
    kind: 'extension',
    type: PROTOCOL.FRAGMENT,
    facts: { needed: 8, laterFragment: offset > 0 },
    build: (contents, { next }) => {
      const header = new Uint8Array(8);
      header[0] = protocol ?? ipProtocol(next);
      new DataView(header.buffer).setUint16(2, offset | (more ? 1 : 0));
      new DataView(header.buffer).setUint32(4, id);
      return concat(header, contents);
    },
  };
}

/** An IPsec authentication header. Its length field counts 4-byte words less two, unlike the other extensions. */
export function authentication(): Layer {
  return {
    kind: 'extension',
    type: PROTOCOL.AH,
    facts: { needed: 24 },
    build: (contents, { next }) => {
      const header = new Uint8Array(24);
      header[0] = ipProtocol(next);
      header[1] = 24 / 4 - 2;
      header.set([0, 0, 0, 7], 4);
      return concat(header, contents);
    },
  };
}

/** EtherTypes of IP headers as the protocol numbers of IP in IP. */
function ipProtocol(next: number): number {
  if (next === ETHERTYPE.IPV4) return PROTOCOL.IPIP;
  if (next === ETHERTYPE.IPV6) return PROTOCOL.IPV6;
  return next;
}
