import { Half } from './half.ts';
import { mix, SEED, SEED_2 } from './hash.ts';
import type { Packet } from './packet.ts';

/** Both ways of TCP connections, by place, addresses and ports. Bounded: the one longest without a segment gives way. */
export class Halves {
  private readonly map = new Map<number, Half>();
  private readonly max: number;
  private readonly isServerPort: (port: number) => boolean;
  private readonly evict: (half: Half) => void;

  /** `evict` is told what has to go, before it goes. */
  constructor(max: number, isServerPort: (port: number) => boolean, evict: (half: Half) => void) {
    this.max = max;
    this.isServerPort = isServerPort;
    this.evict = evict;
  }

  get size(): number {
    return this.map.size;
  }

  values(): Iterable<Half> {
    return this.map.values();
  }

  delete(half: Half): void {
    this.map.delete(half.hash);
  }

  /** The half a segment belongs to; a new one with `make`. */
  get(packet: Packet, make: boolean): Half | undefined {
    const hash = hashOf(packet);
    const known = this.map.get(hash);
    if (known) {
      // the last one used is the last to go
      if (this.map.size > this.max / 2) {
        this.map.delete(hash);
        this.map.set(hash, known);
      }
      return known;
    }
    if (!make) return undefined;
    if (this.map.size >= this.max) {
      const oldest = this.map.values().next().value!;
      this.evict(oldest);
      this.delete(oldest);
    }
    const half = new Half(hash, packet, this.isServerPort(packet.destinationPort));
    this.map.set(hash, half);
    return half;
  }
}

/** 53 bits; two connections that share it would spoil each other's messages, and nobody can make them. */
function hashOf({ words, sourcePort, destinationPort, place }: Packet): number {
  const ports = (sourcePort << 16) | destinationPort;
  let first = mix(mix(SEED, ports), place);
  let second = mix(mix(SEED_2, ports), place);
  for (let i = 0; i < 8; i++) {
    first = mix(first, words[i]!);
    second = mix(second, words[i]!);
  }
  return (first >>> 0) * 0x20_0000 + (second & 0x1f_ffff);
}
