import { existsSync } from 'node:fs';
import { native } from './native.ts';
import type { Address, DefaultRoute, Interface, NamedNamespace, NetworkEvent } from './network-types.ts';

// struct NetworkRecord of native/network_record.hpp.
const STRIDE = 80;
const TYPES = ['interface', 'address', 'routes', 'resync'] as const;
const CHANGES = ['added', 'changed', 'removed'] as const;

const text = new TextDecoder();

function textAt(bytes: Uint8Array, start: number): string {
  const field = bytes.subarray(start, start + 16);
  return text.decode(field.subarray(0, field.indexOf(0)));
}

function interfaceAt(bytes: Uint8Array, view: DataView, at: number): Interface {
  return {
    ifindex: view.getUint32(at + 4, true),
    name: textAt(bytes, at + 32),
    kind: textAt(bytes, at + 48),
    up: bytes[at + 2] === 1,
    loopback: bytes[at + 3] === 1,
    mac: bytes.slice(at + 26, at + 26 + bytes[at + 24]!),
    mtu: view.getUint32(at + 8, true),
    linkIfindex: view.getUint32(at + 12, true),
    linkNetnsid: view.getInt32(at + 16, true),
    master: view.getUint32(at + 20, true),
  };
}

function addressAt(bytes: Uint8Array, view: DataView, at: number): Address {
  return {
    ifindex: view.getUint32(at + 4, true),
    address: bytes.slice(at + 64, at + 80),
    prefixLength: bytes[at + 25]!,
  };
}

function eventAt(bytes: Uint8Array, view: DataView, at: number): NetworkEvent {
  const type = TYPES[bytes[at]!]!;
  const change = CHANGES[bytes[at + 1]!]!;
  if (type === 'interface') return { type, change, interface: interfaceAt(bytes, view, at) };
  if (type === 'address')
    return { type, change: change === 'removed' ? change : 'added', address: addressAt(bytes, view, at) };
  return { type };
}

function decode<T>(bytes: Uint8Array, rows: number, one: (bytes: Uint8Array, view: DataView, at: number) => T): T[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: rows }, (_, row) => one(bytes, view, row * STRIDE));
}

/** Every interface of this process's network namespace. Throws RETINA_NETLINK_FAILED. */
export async function interfaces(): Promise<readonly Interface[]> {
  const bytes = await native().interfaces();
  return decode(bytes, bytes.length / STRIDE, interfaceAt);
}

/** Every IPv4 and IPv6 address of this process's network namespace. */
export async function addresses(): Promise<readonly Address[]> {
  const bytes = await native().addresses();
  return decode(bytes, bytes.length / STRIDE, addressAt);
}

/** Addresses inside another namespace, such as `/run/netns/x`. Throws RETINA_CAPABILITY_MISSING without CAP_SYS_ADMIN. */
export async function addressesIn(namespacePath: string): Promise<readonly Address[]> {
  const bytes = await native().addressesIn(namespacePath);
  return decode(bytes, bytes.length / STRIDE, addressAt);
}

/** Where the default routes of both families lead, each interface once, ascending. */
export function defaultRoutes(): Promise<readonly DefaultRoute[]> {
  return native().defaultRoutes();
}

/** Namespaces named under /run/netns. */
export function namedNamespaces(): Promise<readonly NamedNamespace[]> {
  return native().namedNamespaces();
}

/**
 * Calls back for every change from now on, within milliseconds. A change is missed only when a `resync` event says so. The
 * watch keeps the process alive until it is disposed of.
 */
export function watchNetwork(listener: (event: NetworkEvent) => void): Disposable {
  const source = native().watchNetwork((slab, rows, _lost, error) => {
    if (error) throw error;
    if (slab < 0) return;
    for (const event of decode(slabs[slab]!, rows, eventAt)) listener(event);
  });
  const slabs = source.slabs.map((buffer) => new Uint8Array(buffer));
  return { [Symbol.dispose]: () => source.close() };
}

/** Inode of this process's network namespace. */
export function ownNetns(): number {
  return native().ownNetns();
}

const GLOBAL_SETTINGS = '/proc/sys/net/core';
/** Whole-machine settings of networking: the kernel shows them in the first namespace only. */
const GLOBAL_SETTING = `${GLOBAL_SETTINGS}/netdev_budget`;
/** NET_NS_INIT_INO of linux/nsfs.h: fixed since Linux 6.18. */
const FIRST_INODE = 0xeffffff9;
/** The first namespace draws the first cookie, from Linux 5.14 to 6.17. */
const FIRST_COOKIE = 1n;

/**
 * Whether this process is in the network namespace the kernel booted with. That one alone has the machine's own settings
 * under /proc/sys/net/core; where they cannot be seen (no /proc/sys), its number says so: the inode from Linux 6.18 on, the
 * cookie from 5.14 on. Below that, without /proc/sys, the answer is no.
 */
export function inInitialNetns(): boolean {
  if (existsSync(GLOBAL_SETTINGS)) return existsSync(GLOBAL_SETTING);
  return native().ownNetns() === FIRST_INODE || native().netnsCookie() === FIRST_COOKIE;
}
