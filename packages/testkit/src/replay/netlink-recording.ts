import type { NetlinkMessage, NetlinkRequest } from '@retina/sdk';

/** Netlink's own header, as in a batch that is read where it lies (`unsplit`): length, type, flags, sequence, port. */
const HEADER = 16;

/** What a request is known by in a recording. */
export function requestKey({ family, type, flags, payload }: NetlinkRequest): string {
  return `request ${family} ${type} ${flags} ${Buffer.from(payload).toString('hex')}`;
}

/** Whether what a recording knows by this name is the answer to a request. */
export function isRequest(key: string): boolean {
  return key.startsWith('request ');
}

export function subscriptionKey(family: number, groups: readonly number[]): string {
  return `subscribe ${family} ${[...groups].sort((a, b) => a - b).join(',')}`;
}

/** Messages as they lie in a netlink buffer. */
export function framed(messages: readonly NetlinkMessage[]): Uint8Array<ArrayBuffer> {
  const size = messages.reduce((sum, { payload }) => sum + HEADER + aligned(payload.length), 0);
  const bytes = new Uint8Array(new ArrayBuffer(size));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const { type, flags, payload } of messages) {
    view.setUint32(at, HEADER + payload.length, true);
    view.setUint16(at + 4, type, true);
    view.setUint16(at + 6, flags, true);
    bytes.set(payload, at + HEADER);
    at += HEADER + aligned(payload.length);
  }
  return bytes;
}

/** The messages of a netlink buffer. */
export function unframed(bytes: Uint8Array): NetlinkMessage[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: NetlinkMessage[] = [];
  for (let at = 0; at + HEADER <= bytes.length;) {
    const end = at + Math.max(HEADER, view.getUint32(at, true));
    const type = view.getUint16(at + 4, true);
    messages.push({ type, flags: view.getUint16(at + 6, true), payload: bytes.subarray(at + HEADER, end) });
    at += aligned(end - at);
  }
  return messages;
}

/** A batch as it is handed over: split into messages, or as the one it is read from. */
export function handedOver(bytes: Uint8Array, unsplit: boolean | undefined): readonly NetlinkMessage[] {
  return unsplit ? [{ type: 0, flags: 0, payload: bytes }] : unframed(bytes);
}

function aligned(length: number): number {
  return (length + 3) & ~3;
}
