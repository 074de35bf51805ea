import { addressText } from './addresses.ts';
import type { Config } from './declarations.ts';
import { type Message } from './decode.ts';
import { hashBytes, mix, SEED, SEED_2 } from './hash.ts';
import { codeName, typeName } from './iana.ts';
import { nameText } from './names.ts';

type Label = (text: string) => number;

/** Label ids of at most so many texts; all further ones get that of "overflow". What it is fed comes from packets. */
export class CappedLabels {
  /** Texts that found no room, each time. */
  overflowed = 0;
  private readonly ids = new Map<string, number>();
  private readonly max: number;
  private readonly label: Label;
  readonly overflow: number;

  constructor(max: number, label: Label) {
    this.max = max;
    this.label = label;
    this.overflow = label('overflow');
  }

  get size(): number {
    return this.ids.size;
  }

  id(text: string): number {
    const known = this.ids.get(text);
    if (known !== undefined) return known;
    if (this.ids.size >= this.max) {
      this.overflowed++;
      return this.overflow;
    }
    const id = this.label(text);
    this.ids.set(text, id);
    return id;
  }
}

/** Labels of small numbers: of types, codes, counts. */
export class NumberLabels {
  private readonly ids = new Map<number, number>();
  private readonly labels: CappedLabels;
  private readonly text: (value: number) => string;

  constructor(max: number, label: Label, text: (value: number) => string) {
    this.labels = new CappedLabels(max, label);
    this.text = text;
  }

  id(value: number): number {
    let id = this.ids.get(value);
    if (id === undefined) {
      id = this.labels.id(this.text(value));
      if (this.ids.size < 65_536) this.ids.set(value, id);
    }
    return id;
  }
}

const SLOTS = 1024;
const SLOT_BYTES = 256;

/** The `query` label of a name: found by the name's bytes, so that a name seen before costs no string. */
export class QueryLabels {
  readonly labels: CappedLabels;
  private readonly empty: number;
  private readonly fold: (text: string) => string;
  private readonly none: boolean;
  private readonly names = new Uint8Array(SLOTS * SLOT_BYTES);
  private readonly lengths = new Uint16Array(SLOTS);
  private readonly ids = new Uint32Array(SLOTS);

  constructor(options: Config['queryLabels'], label: Label, registrable: (name: string) => string) {
    this.labels = new CappedLabels(options.maxQueries, label);
    this.empty = label('');
    const allowed = matcher(options.allow);
    this.none = options.mode === 'none' && options.allow.length === 0;
    const folded = { full: (name: string) => name, registrable, none: () => '' }[options.mode];
    this.fold = (name) => (allowed(name) ? name : folded(name));
  }

  id({ name }: Message): number {
    if (name.length === 0 || this.none) return this.empty;
    const { bytes, length } = name;
    const slot = hashBytes(SEED, bytes, 0, length) & (SLOTS - 1);
    const at = slot * SLOT_BYTES;
    if (this.lengths[slot] === length) {
      let i = 0;
      while (i < length && this.names[at + i] === bytes[i]) i++;
      if (i === length) return this.ids[slot]!;
    }
    const text = this.fold(nameText(bytes, length));
    // as the original has it: with the last dot
    const id = text === '' ? this.empty : this.labels.id(text.endsWith('.') ? text : `${text}.`);
    this.names.set(bytes.subarray(0, length), at);
    this.lengths[slot] = length;
    this.ids[slot] = id;
    return id;
  }
}

/** The `response` label: an answer's addresses, sorted, since servers shuffle them; by a hash, so that known ones cost no string. */
export class ResponseLabels {
  readonly labels: CappedLabels;
  private readonly empty: number;
  private readonly none: boolean;
  private readonly hashes = new Int32Array(2 * SLOTS);
  private readonly ids = new Uint32Array(SLOTS);

  constructor(options: Config['responseLabels'], label: Label) {
    this.labels = new CappedLabels(options.maxResponses, label);
    this.none = options.mode === 'none';
    this.empty = label('');
  }

  id(message: Message, bytes: Uint8Array): number {
    const { addresses, addressAt, addressSize } = message;
    if (addresses === 0 || this.none) return this.empty;
    let first = addresses;
    let second = addresses;
    for (let i = 0; i < addresses; i++) {
      const at = addressAt[i]!;
      first = (first + hashBytes(SEED, bytes, at, at + addressSize[i]!)) | 0;
      second = (second + hashBytes(SEED_2, bytes, at, at + addressSize[i]!)) | 0;
    }
    const slot = mix(first, second) & (SLOTS - 1);
    if (this.hashes[2 * slot] === first && this.hashes[2 * slot + 1] === second && this.ids[slot] !== 0) {
      return this.ids[slot]!;
    }
    const texts: string[] = [];
    for (let i = 0; i < addresses; i++) texts.push(addressText(bytes, addressAt[i]!, addressSize[i]!));
    const id = this.labels.id(texts.sort().slice(0, MAX_TEXTS).join(','));
    this.hashes[2 * slot] = first;
    this.hashes[2 * slot + 1] = second;
    this.ids[slot] = id;
    return id;
  }
}

/** Addresses in one label value: 16 of IPv6 fit into the 1024 characters a value may have. */
const MAX_TEXTS = 16;

/** Every label a message can need. */
export class Labels {
  readonly queries: QueryLabels;
  readonly responses: ResponseLabels;
  readonly types: NumberLabels;
  readonly codes: NumberLabels;
  readonly counts: NumberLabels;

  constructor(config: Config, label: Label, registrable: (name: string) => string) {
    this.queries = new QueryLabels(config.queryLabels, label, registrable);
    this.responses = new ResponseLabels(config.responseLabels, label);
    this.types = new NumberLabels(160, label, (type) => (type === 0 ? '' : typeName(type)));
    this.codes = new NumberLabels(64, label, codeName);
    this.counts = new NumberLabels(256, label, String);
  }
}

/** True for names that match one of the patterns: `*` stands for any characters. */
function matcher(patterns: readonly string[]): (name: string) => boolean {
  if (patterns.length === 0) return () => false;
  const sources = patterns.map(
    (pattern) =>
    pattern.toLowerCase().replace(/\.$/, '').replace(/[\\^$.|?+()[\]{}]/g, '\\$&').replaceAll('*', '.*'), // prettier-ignore
  );
  const all = new RegExp(`^(?:${sources.join('|')})$`);
  return (name) => all.test(name);
}
