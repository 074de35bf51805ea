import { type Netlink, NetlinkFamily } from '@retina/sdk';
import type { Remotes } from './remotes.ts';
import { ReadError } from './proc.ts';

/** Names of TCP states as the original has them, by the kernel's number. A closed socket is in no table. */
export const STATES: Readonly<Record<number, string>> = {
  1: 'ESTABLISHED', 2: 'SYN_SENT', 3: 'SYN_RECV', 4: 'FIN_WAIT1', 5: 'FIN_WAIT2', 6: 'TIME_WAIT', 8: 'CLOSE_WAIT',
  9: 'LAST_ACK', 10: 'LISTEN', 11: 'CLOSING',
}; // prettier-ignore
export const FAMILIES = ['ipv4', 'ipv6'] as const;

const ADDRESS_FAMILY = [2, 10] as const;
const SOCK_DIAG_BY_FAMILY = 20;
const NLM_F_DUMP = 0x300;
const IPPROTO_TCP = 6;
const LISTEN = 10;
const STATE_SLOTS = 16;
/** struct nlmsghdr */
const HEADER = 16;
/** struct inet_diag_req_v2 */
const REQUEST_BYTES = 56;
/** struct inet_diag_msg */
const MESSAGE_BYTES = 72;
/** Where it has the remote address. */
const REMOTE = 24;

/** TCP sockets of a network namespace, counted. */
export class SocketCounts {
  private readonly counts = new Uint32Array(FAMILIES.length * STATE_SLOTS);
  readonly remotes: Remotes;
  /** Connections whose remote end is not this host's loopback. */
  connections = 0;
  /** Messages that were no socket. */
  malformed = 0;

  constructor(remotes: Remotes) {
    this.remotes = remotes;
  }

  of(family: number, state: number): number {
    return this.counts[family * STATE_SLOTS + state]!;
  }

  /** A batch of answers where it lies. Reads fixed places of each and nothing else: a node may have 100 000 sockets. */
  add(bytes: Uint8Array, family: number): void {
    const base = family * STATE_SLOTS;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at + HEADER <= bytes.length;) {
      const length = view.getUint32(at, true);
      const body = at + HEADER;
      const state = bytes[body + 1]!;
      if (length < HEADER || at + length > bytes.length) {
        this.malformed++; // where the next one begins cannot be known
        return;
      }
      const isSocket = view.getUint16(at + 4, true) === SOCK_DIAG_BY_FAMILY && length >= HEADER + MESSAGE_BYTES;
      at = (at + length + 3) & ~3;
      if (!isSocket || STATES[state] === undefined) {
        this.malformed++;
        continue;
      }
      this.counts[base + state]!++;
      if (state !== LISTEN && !isLoopback(bytes, body + REMOTE, family)) {
        this.connections++;
        if (this.remotes.limit > 0) this.remotes.add(bytes, body + REMOTE, family);
      }
    }
  }
}

/** Asks the kernel for every TCP socket of the agent's network namespace. Throws ReadError or what netlink threw. */
export async function countSockets(netlink: Netlink, fresh: () => SocketCounts): Promise<SocketCounts> {
  const first = await attempt(netlink, fresh());
  if (!first.interrupted) return first.counts;
  const { counts, interrupted } = await attempt(netlink, fresh());
  if (interrupted) throw new ReadError('interrupted', 'the socket table changed twice while it was read');
  return counts;
}

async function attempt(
  netlink: Netlink,
  counts: SocketCounts,
): Promise<{ readonly counts: SocketCounts; readonly interrupted: boolean }> {
  let interrupted = false;
  for (const [family, number] of ADDRESS_FAMILY.entries()) {
    const answer = await netlink.request(
      {
        family: NetlinkFamily.SOCK_DIAG,
        type: SOCK_DIAG_BY_FAMILY,
        flags: NLM_F_DUMP,
        payload: socketRequest(number),
        unsplit: true,
      },
      (batches) => {
        for (const { payload: batch } of batches) counts.add(batch, family);
      },
    );
    interrupted ||= answer.interrupted;
  }
  return { counts, interrupted };
}

/** Every state, and nothing beside the socket itself (idiag_ext 0). */
function socketRequest(family: number): Uint8Array {
  const payload = new Uint8Array(REQUEST_BYTES);
  payload[0] = family;
  payload[1] = IPPROTO_TCP;
  new DataView(payload.buffer).setUint32(4, 0xfff, true);
  return payload;
}

/** 127.0.0.0/8, ::1, or the first as ::ffff:127.0.0.0/104. */
function isLoopback(bytes: Uint8Array, at: number, family: number): boolean {
  if (family === 0) return bytes[at] === 127;
  if (bytes[at] !== 0) return false;
  for (let i = at + 1; i < at + 10; i++) if (bytes[i] !== 0) return false;
  if (bytes[at + 10] === 0xff && bytes[at + 11] === 0xff) return bytes[at + 12] === 127;
  for (let i = at + 10; i < at + 15; i++) if (bytes[i] !== 0) return false;
  return bytes[at + 15] === 1;
}
