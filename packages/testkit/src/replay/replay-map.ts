import type { BpfMap, MapInfo } from '@retina/loader';

/** A map kept in memory: what is written can be read. */
export function replayMap(info: Pick<MapInfo, 'name' | 'keySize' | 'valueSize' | 'maxEntries'>): BpfMap {
  const entries = new Map<string, readonly [Uint8Array, Uint8Array]>();
  const text = (key: Uint8Array) => Buffer.from(key).toString('hex');
  return {
    name: info.name,
    fd: -1,
    keySize: info.keySize,
    valueSize: info.valueSize,
    maxEntries: info.maxEntries,
    lookup: (key) => entries.get(text(key))?.[1].slice(),
    update: (key, value) => void entries.set(text(key), [key.slice(), value.slice()]),
    remove: (key) => entries.delete(text(key)),
    entries: () => [...entries.values()],
    setProgram: () => undefined,
    [Symbol.dispose]: () => undefined,
  };
}
