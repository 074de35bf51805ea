import { AddressMap } from './address-map.ts';
import type { Words } from './endpoint-spec.ts';

interface Former {
  readonly id: number;
  /** Milliseconds since the Unix epoch: when it let go of the address. */
  readonly until: number;
}

/** Owners of one address within the time that flows may be late. */
const MAX_OWNERS = 16;

/** Not found: the present owner had the address at the time asked for. */
export const PRESENT = -1;

/** Who had an address before, for as long as flows of that time may still come. Oldest first. */
export class FormerOwners {
  private readonly slots = new AddressMap();
  private lists: Former[][] = [[]]; // slot 0 stands for none
  private readonly free: number[] = [];

  get size(): number {
    return this.slots.count;
  }

  /** `id` let go of an address at `until`. */
  add(address: Words, id: number, until: number): void {
    let slot = this.slots.get(...address);
    if (slot === 0) {
      slot = this.free.pop() ?? this.lists.length;
      this.lists[slot] = [];
      this.slots.set(...address, slot);
    }
    const list = this.lists[slot]!;
    if (list.at(-1)?.id !== id) list.push({ id, until });
    if (list.length > MAX_OWNERS) list.shift();
  }

  /** `id` has the address again: it never was without it. */
  resume(address: Words, id: number): void {
    const slot = this.slots.get(...address);
    if (slot === 0) return;
    const list = this.lists[slot]!;
    while (list.at(-1)?.id === id) list.pop();
    if (list.length === 0) this.clear(address, slot);
  }

  /** Who had the address at `time`; {@link PRESENT} after the last of them let go, or if there was none. */
  at(w0: number, w1: number, w2: number, w3: number, time: number): number {
    const list = this.lists[this.slots.get(w0, w1, w2, w3)]!;
    for (const { id, until } of list) if (time <= until) return id;
    return PRESENT;
  }

  /** The one who had the address last; 0 for none. */
  last(w0: number, w1: number, w2: number, w3: number): number {
    return this.lists[this.slots.get(w0, w1, w2, w3)]!.at(-1)?.id ?? 0;
  }

  /** Forgets an owner: its flows are late no longer. */
  expire(address: Words, id: number): void {
    const slot = this.slots.get(...address);
    if (slot === 0) return;
    const rest = this.lists[slot]!.filter((one) => one.id !== id);
    if (rest.length > 0) this.lists[slot] = rest;
    else this.clear(address, slot);
  }

  private clear(address: Words, slot: number): void {
    this.slots.delete(...address);
    this.lists[slot] = [];
    this.free.push(slot);
  }
}
