/** ctnetlink: the kernel's connection table over netlink. Numbers are those of linux/netfilter/nfnetlink_conntrack.h. */
import { attribute, eachAttribute } from '@retina/sdk';

const SUBSYSTEM = 1 << 8;
/** Types of messages, subsystem included. */
export const Message = {
  NEW: SUBSYSTEM | 0,
  GET: SUBSYSTEM | 1,
  DELETE: SUBSYSTEM | 2,
  GET_STATS_CPU: SUBSYSTEM | 4,
  GET_STATS: SUBSYSTEM | 5,
} as const;
/** Multicast groups. */
export const Group = { NEW: 1, DESTROY: 3 } as const;
/** NLM_F_DUMP */
export const DUMP = 0x300;
/** struct nfgenmsg: family, version, and 16 bits in network order that are a CPU number in per-CPU statistics. */
export const HEADER = 4;

/** Attributes of a connection. */
export const STATUS = 3;
const TUPLE_ORIGINAL = 1;
const TUPLE_REPLY = 2;
const PROTOCOL_STATE = 4;
const ZONE = 18;
const STATUS_MASK = 26;

/** Bits of a connection's status. */
export const Status = { SEEN_REPLY: 1 << 1, ASSURED: 1 << 2, SRC_NAT: 1 << 4, DST_NAT: 1 << 5 } as const;
/** Either end is translated. */
export const NAT = Status.SRC_NAT | Status.DST_NAT;

const AF_INET = 2;
const AF_INET6 = 10;
export const TCP = 6;
export const UDP = 17;
export const SCTP = 132;
const DCCP = 33;

/** One direction of a connection. Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d. */
interface Tuple {
  source: Uint8Array;
  destination: Uint8Array;
  sourcePort: number;
  destinationPort: number;
  protocol: number;
}

export interface Entry {
  readonly family: 4 | 6;
  readonly original: Tuple;
  readonly reply: Tuple;
  /** IPS_* bits. */
  readonly status: number;
  /** TCP, SCTP and DCCP: number of the protocol's state; -1 where there is none. */
  readonly state: number;
  readonly zone: number;
}

/** The request header for a family, 0 for all; and attributes behind it. */
export function payload(family = 0, ...attributes: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from([family, 0, 0, 0, ...attributes.flatMap((bytes) => [...bytes])]);
}

/** Asks a dump for connections whose status has all of `bits`; kernels before 5.15 do not know it and send all. */
export function withStatus(bits: number): readonly Uint8Array[] {
  return [attribute(STATUS, word(bits)), attribute(STATUS_MASK, word(bits))];
}

/** The connection in a message of type NEW or DELETE; undefined if it is not sound. */
export function readEntry(bytes: Uint8Array): Entry | undefined {
  const family = bytes[0] === AF_INET ? 4 : bytes[0] === AF_INET6 ? 6 : 0;
  if (family === 0) return undefined;
  let original: Tuple | undefined;
  let reply: Tuple | undefined;
  let status = 0;
  let state = -1;
  let zone = 0;
  const sound = eachAttribute(bytes, HEADER, bytes.length, (type, from, to) => {
    if (type === TUPLE_ORIGINAL) original = readTuple(bytes, from, to);
    else if (type === TUPLE_REPLY) reply = readTuple(bytes, from, to);
    else if (type === STATUS && to - from >= 4) status = u32(bytes, from);
    else if (type === PROTOCOL_STATE) state = readState(bytes, from, to);
    else if (type === ZONE && to - from >= 2) zone = u16(bytes, from);
  });
  if (!sound || !original || !reply || original.protocol !== reply.protocol) return undefined;
  return { family, original, reply, status, state, zone };
}

const IP = 1;
const PROTOCOL = 2;

function readTuple(bytes: Uint8Array, from: number, to: number): Tuple | undefined {
  let source: Uint8Array | undefined;
  let destination: Uint8Array | undefined;
  let protocol = -1;
  let sourcePort = 0;
  let destinationPort = 0;
  let sound = true;
  sound = eachAttribute(bytes, from, to, (type, at, end) => {
    if (type === IP) {
      sound &&= eachAttribute(bytes, at, end, (which, value, last) => {
        // IPv4 source and destination, then IPv6's
        if (which === 1 || which === 3) source = readAddress(bytes, value, last);
        else if (which === 2 || which === 4) destination = readAddress(bytes, value, last);
      });
    } else if (type === PROTOCOL) {
      sound &&= eachAttribute(bytes, at, end, (which, value, last) => {
        if (which === 1 && last > value) protocol = bytes[value]!;
        else if (which === 2 && last - value >= 2) sourcePort = u16(bytes, value);
        else if (which === 3 && last - value >= 2) destinationPort = u16(bytes, value);
      });
    }
  }) && sound; // prettier-ignore
  if (!sound || !source || !destination || protocol < 0) return undefined;
  return { source, destination, sourcePort, destinationPort, protocol };
}

function readAddress(bytes: Uint8Array, from: number, to: number): Uint8Array | undefined {
  if (to - from === 16) return bytes.slice(from, to);
  if (to - from !== 4) return undefined;
  const address = new Uint8Array(16);
  address[10] = address[11] = 0xff;
  address.set(bytes.subarray(from, to), 12);
  return address;
}

/** One level down for the protocol (TCP 1, DCCP 2, SCTP 3), and one more for the state, which is number 1 in each. */
function readState(bytes: Uint8Array, from: number, to: number): number {
  let state = -1;
  eachAttribute(bytes, from, to, (_, at, end) => {
    eachAttribute(bytes, at, end, (which, value, last) => {
      if (which === 1 && last > value) state = bytes[value]!;
    });
  });
  return state;
}

/** Values of 32-bit attributes by type: both kinds of statistics are that. `cpu` is of use in those by CPU. */
export function readStatistics(
  bytes: Uint8Array,
): { readonly cpu: number; readonly values: Map<number, number> } | undefined {
  if (bytes.length < HEADER) return undefined;
  const values = new Map<number, number>();
  const sound = eachAttribute(bytes, HEADER, bytes.length, (type, from, to) => {
    if (to - from === 4) values.set(type, u32(bytes, from));
  });
  return sound ? { cpu: u16(bytes, 2), values } : undefined;
}

/** Whether records of flows know this protocol's ports. */
export function hasPorts(protocol: number): boolean {
  return protocol === TCP || protocol === UDP || protocol === SCTP || protocol === DCCP;
}

function word(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}
function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}
function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
