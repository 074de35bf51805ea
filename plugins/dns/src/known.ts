import type { Message } from './decode.ts';
import { hashBytes, mix, SEED } from './hash.ts';
import type { Labels } from './labels.ts';
import type { Print } from './print.ts';

const SLOTS = 4096;
/** Bytes of a message that is remembered; nearly all have less. */
const MOST = 192;
/** Cells of one message, which lie together: what it comes to, and right behind that its words. */
const CELLS = 64;
const SIZE = 0;
const MARKS = 1;
const QUESTION = 2;
const TYPE = 3;
const QUERY = 4;
const CODE = 5;
const ANSWER = 6;
const COUNT = 7;
const LEARNT = 8; // two cells: a double
const WORDS = 10;
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
  private readonly cells = new Int32Array(SLOTS * CELLS);
  private readonly doubles = new Float64Array(this.cells.buffer);
  private turn = 0;

  /** Where the message is; -1 for nowhere. */
  find(print: Print): number {
    const first = print.first & MASK;
    if (this.holds(first, print)) return first;
    const second = print.second & MASK;
    return this.holds(second, print) ? second : NOWHERE;
  }

  private holds(place: number, print: Print): boolean {
    const { cells } = this;
    const at = place * CELLS;
    // nothing of length 0 is kept, so a free place holds nothing
    if (cells[at + SIZE] !== print.size || print.size > MOST || print.size <= 2) return false;
    const { words, length } = print;
    for (let i = 0; i < length; i++) if (cells[at + WORDS + i] !== words[i]) return false;
    return true;
  }

  /** Milliseconds of the process's clock: until when the addresses it tells need not be learned again. */
  learnt(place: number): number {
    return this.doubles[(place * CELLS + LEARNT) >> 1]!;
  }

  setLearnt(place: number, until: number): void {
    this.doubles[(place * CELLS + LEARNT) >> 1] = until;
  }

  read(place: number, into: Facts): void {
    const { cells } = this;
    const at = place * CELLS;
    const marks = cells[at + MARKS]!;
    into.response = (marks & RESPONSE) !== 0;
    into.truncated = (marks & TRUNCATED) !== 0;
    into.question = cells[at + QUESTION]!;
    into.type = cells[at + TYPE]! >>> 0;
    into.query = cells[at + QUERY]! >>> 0;
    into.code = cells[at + CODE]! >>> 0;
    into.answer = cells[at + ANSWER]! >>> 0;
    into.count = cells[at + COUNT]! >>> 0;
  }

  /** Keeps a message that {@link find} has just not found, in place of another if need be. Where it is; -1 for one that is too long. */
  keep(print: Print, facts: Facts): number {
    if (print.size > MOST || print.size <= 2) return NOWHERE;
    const { cells } = this;
    const [first, second] = [print.first & MASK, print.second & MASK];
    const free = cells[first * CELLS + SIZE] === 0 ? first : cells[second * CELLS + SIZE] === 0 ? second : NOWHERE;
    const place = free !== NOWHERE ? free : (this.turn ^= 1) === 0 ? first : second;
    const at = place * CELLS;
    cells[at + SIZE] = print.size;
    cells[at + MARKS] = (facts.response ? RESPONSE : 0) | (facts.truncated ? TRUNCATED : 0);
    cells[at + QUESTION] = facts.question;
    cells[at + TYPE] = facts.type;
    cells[at + QUERY] = facts.query;
    cells[at + CODE] = facts.code;
    cells[at + ANSWER] = facts.answer;
    cells[at + COUNT] = facts.count;
    for (let i = 0; i < print.length; i++) cells[at + WORDS + i] = print.words[i]!;
    return place;
  }
}
