import type { Message } from './decode.ts';
import { hashBytes, mix, SEED } from './hash.ts';
import type { Labels } from './labels.ts';
import type { Print } from './print.ts';

const SLOTS = 4096;
const WORDS = 48;
/** Bytes of a message that is remembered; nearly all have less. */
const MOST = 4 * WORDS;
const CELLS = 8;
/** Bit 0: a response; bit 1: truncated. */
const RESPONSE = 1;
const TRUNCATED = 2;
const MASK = SLOTS - 1;
const NOWHERE = -1;

/** What a message without a flaw comes to, whatever its id. */
export interface Facts {
  response: boolean;
  truncated: boolean;
  /** Hash of its question, as Pending has it. */
  question: number;
  /** Label ids. */
  type: number;
  query: number;
  code: number;
  answer: number;
  count: number;
}

export function noFacts(): Facts {
  return { response: false, truncated: false, question: 0, type: 0, query: 0, code: 0, answer: 0, count: 0 };
}

/** What a message that was just read comes to; the label of an answer only where it counts, and with `nameless` none of its name. */
export function gather(message: Message, labels: Labels, into: Facts, nameless = false): void {
  const { name, type, response } = message;
  into.response = response;
  into.truncated = message.truncated;
  into.question = name.length === 0 ? 0 : mix(hashBytes(SEED, name.bytes, 0, name.length), type) || 1;
  into.type = labels.types.id(type);
  into.query = nameless ? 0 : labels.queries.id(message);
  into.code = response ? labels.codes.id(message.code) : 0;
  into.count = response ? labels.counts.id(message.answers) : 0;
  into.answer = 0;
}

/**
 * Messages seen lately and what they came to: names are asked for again and again, and answered alike. Found by their bytes,
 * all of them but the id. Each has two places it may be in, so that two that are asked for by turns do not drive each other out.
 */
export class Known {
  /** Milliseconds of the process's clock: until when the addresses it tells need not be learned again. */
  readonly learnt = new Float64Array(SLOTS);
  private readonly sizes = new Uint16Array(SLOTS);
  private readonly words = new Int32Array(SLOTS * WORDS);
  private readonly cells = new Uint32Array(SLOTS * CELLS);
  private turn = 0;

  /** Where the message is; -1 for nowhere. */
  find(print: Print): number {
    const first = print.first & MASK;
    if (this.holds(first, print)) return first;
    const second = print.second & MASK;
    return this.holds(second, print) ? second : NOWHERE;
  }

  private holds(place: number, print: Print): boolean {
    // nothing of length 0 is kept, so a free place holds nothing
    if (this.sizes[place] !== print.size || print.size > MOST || print.size <= 2) return false;
    const { words } = this;
    const at = place * WORDS;
    for (let i = 0; i < print.length; i++) if (words[at + i] !== print.words[i]) return false;
    return true;
  }

  read(place: number, into: Facts): void {
    const { cells } = this;
    const at = place * CELLS;
    const marks = cells[at]!;
    into.response = (marks & RESPONSE) !== 0;
    into.truncated = (marks & TRUNCATED) !== 0;
    into.question = cells[at + 1]! | 0;
    into.type = cells[at + 2]!;
    into.query = cells[at + 3]!;
    into.code = cells[at + 4]!;
    into.answer = cells[at + 5]!;
    into.count = cells[at + 6]!;
  }

  /** Keeps a message that {@link find} has just not found, in place of another if need be. Where it is; -1 for one that is too long. */
  keep(print: Print, facts: Facts): number {
    if (print.size > MOST || print.size <= 2) return NOWHERE;
    const { cells, words, sizes } = this;
    const [first, second] = [print.first & MASK, print.second & MASK];
    const free = sizes[first] === 0 ? first : sizes[second] === 0 ? second : NOWHERE;
    const place = free !== NOWHERE ? free : (this.turn ^= 1) === 0 ? first : second;
    sizes[place] = print.size;
    for (let i = 0; i < print.length; i++) words[place * WORDS + i] = print.words[i]!;
    const at = place * CELLS;
    cells[at] = (facts.response ? RESPONSE : 0) | (facts.truncated ? TRUNCATED : 0);
    cells[at + 1] = facts.question;
    cells[at + 2] = facts.type;
    cells[at + 3] = facts.query;
    cells[at + 4] = facts.code;
    cells[at + 5] = facts.answer;
    cells[at + 6] = facts.count;
    return place;
  }
}
