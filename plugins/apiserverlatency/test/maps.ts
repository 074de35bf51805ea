import type { BpfHandle } from '@retina/sdk';

/** The maps of an object, in memory: what is written can be read. */
export function maps() {
  const contents: Record<string, Map<string, Uint8Array>> = {};
  const of = (map: string) => (contents[map] ??= new Map<string, Uint8Array>());
  const text = (key: Uint8Array) => Buffer.from(key).toString('hex');
  const object = {
    lookup: (map: string, key: Uint8Array) => of(map).get(text(key)),
    update: (map: string, key: Uint8Array, value: Uint8Array) => void of(map).set(text(key), value),
    remove: (map: string, key: Uint8Array) => of(map).delete(text(key)),
  } as unknown as BpfHandle;
  return { object, of, set: (map: string, key: Uint8Array, value: Uint8Array) => of(map).set(text(key), value) };
}
