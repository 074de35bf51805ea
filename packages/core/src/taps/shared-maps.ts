import type { BpfMap, LoaderApi, ObjectSpec } from '@retina/loader';
import { RetinaError } from '@retina/sdk';

/** Maps that objects declare and all of them share: those of the tap chain, and the node's namespaces. */
const SHARED = [
  'rt_tap_chain_ingress', 'rt_tap_chain_egress', 'rt_tap_scratch', 'rt_tap_uplinks', 'rt_node_namespaces',
] as const; // prettier-ignore
type SharedName = (typeof SHARED)[number];

const TYPES = { 1: 'hash', 2: 'array', 3: 'prog_array', 6: 'percpu_array' } as const;

/** Constant that tells an object in the chain from the others. */
const BIT = 'rt_tap_bit';
/** Constant that tells an object to count events of this node's namespaces only. */
const NODE_ONLY = 'rt_node_only';

/** RT_NODE_MAX_NAMESPACES of retina/node.h */
const MAX_NAMESPACES = 4096;

/** What an object is loaded with to be part of the whole. To be disposed of after the object. */
export interface Share extends Disposable {
  readonly reuseMaps: Readonly<Record<string, BpfMap>>;
  /** What the plugin may decide otherwise. */
  readonly defaults: Readonly<Record<string, number>>;
  readonly constants: Readonly<Record<string, number>>;
}

/** Created when the first object that declares them is loaded, in the sizes it declares; closed with the host. */
export class SharedMaps implements Disposable {
  private readonly loader: LoaderApi;
  private readonly maps = new Map<SharedName, BpfMap>();
  /** Kernel-wide events are counted in this node's namespaces only. */
  readonly nodeOnly: boolean;
  private uplinks: readonly number[] = [];
  private readonly namespaces = new Set<number>();
  private bitsInUse = 0;

  constructor(loader: LoaderApi, nodeOnly: boolean) {
    this.loader = loader;
    this.nodeOnly = nodeOnly;
  }

  /** Throws RETINA_OBJECT_INVALID if the object was built for another chain. */
  share(spec: ObjectSpec, object: string): Share {
    const reuseMaps = this.reuse(spec, object);
    const scoped = spec.constants.some(({ name }) => name === NODE_ONLY);
    const defaults = scoped ? { [NODE_ONLY]: Number(this.nodeOnly) } : {};
    if (!spec.maps.some(({ name }) => name === 'rt_tap_chain_ingress')) {
      return { reuseMaps, defaults, constants: {}, [Symbol.dispose]: () => undefined };
    }
    if (!spec.constants.some(({ name }) => name === BIT)) throw otherChain(object, `no constant ${BIT}`, 'one');
    const bit = (~this.bitsInUse & (this.bitsInUse + 1)) >>> 0; // the lowest that is free
    if (bit === 0) {
      throw new RetinaError('RETINA_LOAD_FAILED', 'too many tap objects', {
        found: '32 that are loaded',
        next: 'disable a tap plugin',
      });
    }
    this.bitsInUse |= bit;
    return { reuseMaps, defaults, constants: { [BIT]: bit }, [Symbol.dispose]: () => void (this.bitsInUse &= ~bit) };
  }

  /** The maps an object must use instead of its own. */
  private reuse(spec: ObjectSpec, object: string): Record<string, BpfMap> {
    const out: Record<string, BpfMap> = {};
    for (const info of spec.maps) {
      const name = SHARED.find((shared) => shared === info.name);
      if (!name) continue;
      const { keySize, valueSize, maxEntries } = info;
      let map = this.maps.get(name);
      if (!map) {
        const type = TYPES[info.type as keyof typeof TYPES];
        map = this.loader.createMap({ name, type, keySize, valueSize, maxEntries });
        this.maps.set(name, map);
        if (name === 'rt_tap_uplinks') this.writeUplinks();
        if (name === 'rt_node_namespaces') for (const inode of this.namespaces) map.update(word(inode), word(1));
      }
      if (map.keySize !== keySize || map.valueSize !== valueSize || map.maxEntries !== maxEntries) {
        const sizes = (m: { keySize: number; valueSize: number; maxEntries: number }) =>
          `key ${m.keySize}, value ${m.valueSize}, entries ${m.maxEntries}`;
        throw otherChain(object, `${name}: ${sizes(info)}`, sizes(map));
      }
      out[name] = map;
    }
    return out;
  }

  chain(direction: 'ingress' | 'egress'): BpfMap | undefined {
    return this.maps.get(`rt_tap_chain_${direction}`);
  }

  /** Interface indexes of the uplinks, for programs that tell them apart. Returns how many there is no room for. */
  setUplinks(ifindexes: readonly number[]): number {
    this.uplinks = ifindexes;
    return this.writeUplinks();
  }

  /** A namespace whose kernel events are this node's. False if there is no room for it. */
  addNamespace(inode: number): boolean {
    if (this.namespaces.has(inode)) return true;
    if (this.namespaces.size >= MAX_NAMESPACES) return false;
    this.namespaces.add(inode);
    this.maps.get('rt_node_namespaces')?.update(word(inode), word(1));
    return true;
  }

  removeNamespace(inode: number): void {
    if (this.namespaces.delete(inode)) this.maps.get('rt_node_namespaces')?.remove(word(inode));
  }

  private writeUplinks(): number {
    const map = this.maps.get('rt_tap_uplinks');
    if (!map) return 0;
    const value = new Uint8Array(map.valueSize);
    const room = map.valueSize / 4;
    const view = new DataView(value.buffer);
    this.uplinks.slice(0, room).forEach((ifindex, i) => view.setUint32(4 * i, ifindex, true));
    map.update(new Uint8Array(map.keySize), value);
    return Math.max(0, this.uplinks.length - room);
  }

  [Symbol.dispose](): void {
    for (const map of this.maps.values()) map[Symbol.dispose]();
    this.maps.clear();
  }
}

function otherChain(object: string, found: string, needed: string): RetinaError {
  return new RetinaError('RETINA_OBJECT_INVALID', `${object} was built for another tap chain`, {
    found,
    needed,
    next: 'build every tap plugin against the same version of @retina/bpf',
  });
}

function word(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}
