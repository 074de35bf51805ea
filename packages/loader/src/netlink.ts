import type { NetlinkFilter, NetlinkMessage, NetlinkRequest, RetinaError } from '@retina/sdk';
import { native } from './native.ts';
import type { NativeSource } from './native.ts';

const HEADER = 16;

/** The memory of a source's batches: whole netlink messages, each aligned to 4 bytes, judged by the native side. */
function readers(source: NativeSource): ((bytes: number) => NetlinkMessage[])[] {
  return source.slabs.map((buffer) => {
    const slab = new Uint8Array(buffer);
    const view = new DataView(buffer);
    return (bytes) => {
      const messages: NetlinkMessage[] = [];
      for (let at = 0; at + HEADER <= bytes;) {
        const end = at + Math.max(view.getUint32(at, true), HEADER);
        const type = view.getUint16(at + 4, true);
        messages.push({ type, flags: view.getUint16(at + 6, true), payload: slab.subarray(at + HEADER, end) });
        at = (end + 3) & ~3;
      }
      return messages;
    };
  });
}

/**
 * Sends one request and hands over its answer in batches, read by a thread of its own; it waits while JavaScript is busy.
 * Resolves when the answer has ended. Throws RETINA_NETLINK_FAILED with the kernel's errno, or what `handle` throws.
 */
export async function netlinkRequest(
  request: NetlinkRequest,
  handle: (messages: readonly NetlinkMessage[]) => void,
): Promise<{ readonly messages: number; readonly interrupted: boolean }> {
  let failed: { readonly error: unknown } | undefined;
  const { family, type, flags, payload, unsplit } = request;
  const source = native().netlinkRequest(family, type, flags, payload, (slab, bytes, _lost, error) => {
    if (error) failed ??= { error };
    if (failed || slab < 0) return;
    try {
      handle(unsplit ? [{ type: 0, flags: 0, payload: slabs[slab]!.subarray(0, bytes) }] : read[slab]!(bytes));
    } catch (error) {
      failed = { error };
      source.close();
    }
  });
  const read = readers(source);
  const slabs = source.slabs.map((buffer) => new Uint8Array(buffer));
  try {
    await source.flush();
    return source.stats() as { messages: number; interrupted: boolean };
  } catch (error) {
    throw failed ? failed.error : error;
  } finally {
    source.close();
  }
}

/**
 * Hands over what the kernel sends to multicast groups, until it is disposed of. While JavaScript is busy messages wait in
 * the socket (4 MB); `lost` counts how often that was full since the last call.
 */
export function netlinkSubscribe(
  family: number,
  groups: readonly number[],
  handle: (messages: readonly NetlinkMessage[], lost: number) => void,
  filter?: NetlinkFilter,
  fail?: (error: RetinaError) => void,
): Disposable {
  const wanted = filter ? Uint32Array.of(filter.header, filter.attribute, filter.mask) : new Uint32Array(0);
  const source = native().netlinkSubscribe(family, Uint32Array.from(groups), wanted, (slab, bytes, lost, error) => {
    if (error && fail) return fail(error);
    if (error) throw error;
    handle(slab < 0 ? [] : read[slab]!(bytes), lost);
  });
  const read = readers(source);
  return { [Symbol.dispose]: () => source.close() };
}

/**
 * A driver's own counters by name, read off the event loop; undefined where it has none. A name that a driver uses twice
 * has its last value. Throws RETINA_NETLINK_FAILED if there is no such interface.
 */
export async function deviceStatistics(interfaceName: string): Promise<ReadonlyMap<string, number> | undefined> {
  const pairs = await native().deviceStatistics(interfaceName);
  if (!pairs) return undefined;
  const counters = new Map<string, number>();
  for (let i = 0; i < pairs.length; i += 2) counters.set(pairs[i] as string, pairs[i + 1] as number);
  return counters;
}
