import { MAX_NAME, NAME_CUT, NAME_LABEL, NAME_LONG, NAME_POINTER, readName, skipName } from './names.ts';

export const HEADER = 12;
/** Addresses kept of one answer; further ones count in `answers` only. */
export const MAX_ADDRESSES = 32;
const MAX_QUESTIONS = 16;

const TYPE_A = 1;
export const TYPE_CNAME = 5;
const TYPE_OPT = 41;
const TYPE_AAAA = 28;
const CLASS_IN = 1;
/** mDNS: "flush the cache", in the class. */
const CLASS_MASK = 0x7fff;

/** What is wrong with a message, by name. The first ones make it no message at all. */
export const FLAWS = [
  'none', 'too_short', 'question_cut', 'question_label', 'question_pointer', 'question_name_too_long',
  // the question is good, what follows is not
  'records_cut', 'records_label', 'records_pointer', 'records_name_too_long', 'questions_too_many',
] as const; // prettier-ignore
const FIRST_OF_RECORDS = FLAWS.indexOf('records_cut');

/** Whether a message with this flaw (its place in {@link FLAWS}) still counts as one. */
export function readable(flaw: number): boolean {
  return flaw === 0 || flaw >= FIRST_OF_RECORDS;
}

/** A message as numbers. Made once and filled again and again: reading one allocates nothing. */
export class Message {
  id = 0;
  response = false;
  opcode = 0;
  /** The TC bit. */
  truncated = false;
  /** With the upper bits an OPT record has. */
  code = 0;
  /** As the header announces them. */
  questions = 0;
  answers = 0;
  /** Of the first question; 0 without one. */
  type = 0;
  /** The first question's name in lower case, as on the wire; of length 0 without one. */
  readonly name = { bytes: new Uint8Array(MAX_NAME + 1), length: 0 };
  /** Offsets of address records' data in the bytes that were read, and 4 or 16 for each. */
  readonly addressAt = new Uint32Array(MAX_ADDRESSES);
  readonly addressSize = new Uint8Array(MAX_ADDRESSES);
  addresses = 0;
  /** Smallest time to live of answers, in seconds; -1 where there is none. */
  ttl = -1;
}

/**
 * Reads the message in `bytes` from `from` to `end` and returns its flaw, as its place in {@link FLAWS}: 0 for none. `whole`
 * is false where bytes are missing at its end, which is no flaw of the message's then. Never throws, allocates nothing, and looks
 * at no byte more than a small number of times.
 */
export function decode(bytes: Uint8Array, from: number, end: number, whole: boolean, into: Message): number {
  into.type = into.addresses = into.name.length = 0;
  into.ttl = -1;
  if (end - from < HEADER) return FLAWS.indexOf('too_short');
  const word = (at: number) => (bytes[at]! << 8) | bytes[at + 1]!;
  const flags = word(from + 2);
  into.id = word(from);
  into.response = flags >= 0x8000;
  into.opcode = (flags >> 11) & 15;
  into.truncated = (flags & 0x0200) !== 0;
  into.code = flags & 15;
  const questions = (into.questions = word(from + 4));
  into.answers = word(from + 6);
  let at = from + HEADER;
  if (questions > 0) {
    at = readName(bytes, from, at, end, into.name, true);
    if (at < 0) return nameFlaw('question', at);
    if (at + 4 > end) return FLAWS.indexOf('question_cut');
    into.type = word(at);
    at += 4;
  }
  return into.response ? readRecords(bytes, from, at, end, whole, into, word(from + 8) + word(from + 10)) : 0;
}

/** What an answer says; behind the answers only the OPT record matters. */
function readRecords(
  bytes: Uint8Array,
  from: number,
  at: number,
  end: number,
  whole: boolean,
  into: Message,
  others: number,
): number {
  const records = into.answers + others;
  if (records === 0) return 0;
  if (into.questions > MAX_QUESTIONS) return FLAWS.indexOf('questions_too_many');
  for (let i = 1; i < into.questions; i++) {
    at = skipName(bytes, from, at, end);
    if (at < 0) return recordFlaw(at, whole);
    at += 4;
  }
  for (let i = 0; i < records; i++) {
    at = skipName(bytes, from, at, end);
    if (at < 0) return recordFlaw(at, whole);
    if (at + 10 > end) return recordFlaw(NAME_CUT, whole);
    const type = (bytes[at]! << 8) | bytes[at + 1]!;
    const size = (bytes[at + 8]! << 8) | bytes[at + 9]!;
    const data = at + 10;
    if (data + size > end) return recordFlaw(NAME_CUT, whole);
    if (i < into.answers) {
      const ttl = ((bytes[at + 4]! << 24) | (bytes[at + 5]! << 16) | (bytes[at + 6]! << 8) | bytes[at + 7]!) >>> 0;
      if (into.ttl < 0 || ttl < into.ttl) into.ttl = ttl;
      if ((((bytes[at + 2]! << 8) | bytes[at + 3]!) & CLASS_MASK) === CLASS_IN) keepAddress(type, size, data, into);
    } else if (type === TYPE_OPT) {
      into.code |= bytes[at + 4]! << 4;
    }
    at = data + size;
  }
  return 0;
}

function keepAddress(type: number, size: number, data: number, into: Message): void {
  if (into.addresses === MAX_ADDRESSES) return;
  if (!(type === TYPE_A && size === 4) && !(type === TYPE_AAAA && size === 16)) return;
  into.addressAt[into.addresses] = data;
  into.addressSize[into.addresses++] = size;
}

function recordFlaw(why: number, whole: boolean): number {
  return why === NAME_CUT && !whole ? 0 : nameFlaw('records', why);
}

function nameFlaw(part: 'question' | 'records', why: number): number {
  switch (why) {
    case NAME_LABEL:
      return FLAWS.indexOf(`${part}_label`);
    case NAME_POINTER:
      return FLAWS.indexOf(`${part}_pointer`);
    case NAME_LONG:
      return FLAWS.indexOf(`${part}_name_too_long`);
    default:
      return FLAWS.indexOf(`${part}_cut`);
  }
}
