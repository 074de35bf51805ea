import type { Workload } from './workload.ts';

/** Past so many it begins afresh: what is in use then is kept once more, and no more than that. */
const MAX_KEPT = 65_536;

/** Makes equal texts, label sets and workloads one: ten thousand pods are of a few hundred. */
export class Texts {
  private kept = new Map<string, unknown>();

  one(text: string): string {
    return this.same(`t${text}`, () => text);
  }

  /** At most `most` entries, the first in order of their keys. */
  record(entries: Readonly<Record<string, string>>, most: number): Readonly<Record<string, string>> {
    const keys = Object.keys(entries).sort().slice(0, most);
    const pairs = keys.map((key) => [key, entries[key]!] as const);
    return this.same(`r${JSON.stringify(pairs)}`, () =>
      Object.fromEntries(pairs.map(([key, value]) => [this.one(key), this.one(value)])),
    );
  }

  workloads(list: readonly Workload[]): readonly Workload[] {
    return this.same(`w${JSON.stringify(list)}`, () => list);
  }

  private same<T>(key: string, make: () => T): T {
    const known = this.kept.get(key);
    if (known !== undefined) return known as T;
    if (this.kept.size >= MAX_KEPT) this.kept = new Map();
    const value = make();
    this.kept.set(key, value);
    return value;
  }
}
