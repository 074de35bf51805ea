/** nf_tables over netlink, as far as it tells what rules drop. Numbers are those of linux/netfilter/nf_tables.h. */
import { attribute, eachAttribute } from '@retina/sdk';

const SUBSYSTEM = 10 << 8;
/** Types of messages, subsystem included. */
export const Message = {
  NEW_CHAIN: SUBSYSTEM | 3,
  GET_CHAIN: SUBSYSTEM | 4,
  NEW_RULE: SUBSYSTEM | 6,
  GET_RULE: SUBSYSTEM | 7,
  NEW_GENERATION: SUBSYSTEM | 15,
  GET_GENERATION: SUBSYSTEM | 16,
} as const;
/** struct nfgenmsg, whose first byte is the family. */
const HEADER = 4;
const FAMILIES: Readonly<Record<number, string>> = {
  1: 'inet',
  2: 'ip',
  3: 'arp',
  5: 'netdev',
  7: 'bridge',
  10: 'ip6',
};
const DROP = 0;
/** Texts of a ruleset are its administrator's; longer ones are cut. */
const MAX_TEXT = 128;

/** Where a rule or a policy stands. */
export interface Place {
  readonly familyNumber: number;
  readonly family: string;
  readonly table: string;
  readonly chain: string;
}

/** A rule, or a base chain's policy, that drops what reaches it. */
export interface Dropper extends Place {
  /** Unique in the table, 0 for the policy. */
  readonly handle: number;
  /** The rule's comment, else its handle, as `nft -a list` shows it; `policy`. */
  readonly rule: string;
  /** What it has dropped; undefined without a counter right before the verdict. */
  readonly counted: { readonly packets: number; readonly bytes: number } | undefined;
}

/** The header for a family, 0 for all, and texts behind it: table, then chain. */
export function payload(family = 0, texts: Readonly<Record<number, string>> = {}): Uint8Array {
  const attributes = Object.entries(texts).flatMap(([type, text]) => [
    ...attribute(Number(type), Buffer.from(`${text}\0`)),
  ]);
  return Uint8Array.from([family, 0, 0, 0, ...attributes]);
}

/** Asks for the rules of one chain. */
export function ofChain({ familyNumber, table, chain }: Place): Uint8Array {
  return payload(familyNumber, { 1: table, 2: chain });
}

/** Asks for a chain itself. */
export function chainItself({ familyNumber, table, chain }: Place): Uint8Array {
  return payload(familyNumber, { 1: table, 3: chain });
}

/** The ruleset's generation: it changes with every change of the rules. Undefined if the message makes no sense. */
export function readGeneration(bytes: Uint8Array): number | undefined {
  let generation: number | undefined;
  eachAttribute(bytes, HEADER, bytes.length, (type, from, to) => {
    if (type === 1 && to - from === 4) generation = u32(bytes, from);
  });
  return generation;
}

/** What a rule drops; undefined if it drops nothing, or only what its set or map says. Throws on a message that makes no sense. */
export function readRule(bytes: Uint8Array): Dropper | undefined {
  let table = '';
  let chain = '';
  let handle = 0;
  let comment = '';
  let drops = false;
  let counted: Dropper['counted'];
  const sound = eachAttribute(bytes, HEADER, bytes.length, (type, from, to) => {
    if (type === 1) table = text(bytes, from, to);
    else if (type === 2) chain = text(bytes, from, to);
    else if (type === 3 && to - from === 8) handle = u64(bytes, from);
    else if (type === 7) comment ||= commentIn(bytes, from, to);
    else if (type === 4) {
      eachAttribute(bytes, from, to, (_, at, end) => {
        if (drops) return;
        const expression = readExpression(bytes, at, end);
        if (expression.comment) comment ||= expression.comment;
        drops = expression.drops;
        // a condition behind a counter makes it count more than is dropped
        if (expression.counted) counted = expression.counted;
        else if (!drops && !expression.neutral) counted = undefined;
      });
    }
  });
  if (!sound || !table || !chain) throw new RangeError('a rule that makes no sense');
  if (!drops) return undefined;
  const rule = comment || `handle ${handle}`;
  return { ...placeOf(bytes, table, chain), handle, rule, counted };
}

/** A base chain whose policy is to drop; undefined for every other. Throws on a message that makes no sense. */
export function readPolicy(bytes: Uint8Array): Dropper | undefined {
  let table = '';
  let chain = '';
  let drops = false;
  let counted: Dropper['counted'];
  const sound = eachAttribute(bytes, HEADER, bytes.length, (type, from, to) => {
    if (type === 1) table = text(bytes, from, to);
    else if (type === 3) chain = text(bytes, from, to);
    else if (type === 5 && to - from === 4) drops = u32(bytes, from) === DROP;
    else if (type === 8) counted = counterIn(bytes, from, to);
  });
  if (!sound || !table || !chain) throw new RangeError('a chain that makes no sense');
  return drops ? { ...placeOf(bytes, table, chain), handle: 0, rule: 'policy', counted } : undefined;
}

interface Expression {
  readonly drops: boolean;
  /** Neither ends the rule nor asks anything of the packet. */
  readonly neutral: boolean;
  readonly counted?: Dropper['counted'];
  readonly comment?: string;
}

const NOTHING: Expression = { drops: false, neutral: false };
const NEUTRAL: Expression = { drops: false, neutral: true };
const DROPS: Expression = { drops: true, neutral: false };

function readExpression(bytes: Uint8Array, from: number, to: number): Expression {
  let name = '';
  let at = 0;
  let end = 0;
  eachAttribute(bytes, from, to, (type, first, last) => {
    if (type === 1) name = text(bytes, first, last);
    else if (type === 2) [at, end] = [first, last];
  });
  switch (name) {
    case 'counter':
      return { ...NEUTRAL, counted: counterIn(bytes, at, end) };
    case 'log':
      return NEUTRAL;
    case 'reject':
      return DROPS;
    case 'immediate':
      return verdictIn(bytes, at, end) === DROP ? DROPS : NOTHING;
    case 'target': {
      const target = textAt(bytes, at, end, 1);
      return target === 'DROP' || target === 'REJECT'
        ? DROPS
        : target === 'LOG' || target === 'NFLOG'
          ? NEUTRAL
          : NOTHING;
    }
    case 'match':
      return textAt(bytes, at, end, 1) === 'comment' ? { ...NEUTRAL, comment: textAt(bytes, at, end, 3) } : NOTHING;
    default:
      return NOTHING;
  }
}

/** The code of the verdict an `immediate` gives: its data (2), therein the verdict (2), therein the code (1). */
function verdictIn(bytes: Uint8Array, from: number, to: number): number | undefined {
  let code: number | undefined;
  eachAttribute(bytes, from, to, (type, data, dataEnd) => {
    if (type !== 2) return;
    eachAttribute(bytes, data, dataEnd, (kind, verdict, verdictEnd) => {
      if (kind !== 2) return;
      eachAttribute(bytes, verdict, verdictEnd, (part, at, end) => {
        if (part === 1 && end - at === 4) code = u32(bytes, at);
      });
    });
  });
  return code;
}

function counterIn(bytes: Uint8Array, from: number, to: number): Dropper['counted'] {
  let packets: number | undefined;
  let size: number | undefined;
  eachAttribute(bytes, from, to, (type, at, end) => {
    if (end - at !== 8) return;
    if (type === 1) size = u64(bytes, at);
    else if (type === 2) packets = u64(bytes, at);
  });
  return packets === undefined || size === undefined ? undefined : { packets, bytes: size };
}

/** The comment in a rule's user data: records of type, length and value; type 0 is it. */
function commentIn(bytes: Uint8Array, from: number, to: number): string {
  for (let at = from; at + 2 <= to; at += 2 + bytes[at + 1]!) {
    if (bytes[at] === 0) return text(bytes, at + 2, Math.min(to, at + 2 + bytes[at + 1]!));
  }
  return '';
}

function placeOf(bytes: Uint8Array, table: string, chain: string): Place {
  const familyNumber = bytes[0]!;
  return { familyNumber, family: FAMILIES[familyNumber] ?? String(familyNumber), table, chain };
}

function textAt(bytes: Uint8Array, from: number, to: number, wanted: number): string {
  let found = '';
  eachAttribute(bytes, from, to, (type, at, end) => {
    if (type === wanted) found = text(bytes, at, end);
  });
  return found;
}

/** Up to its zero, at most MAX_TEXT bytes. */
function text(bytes: Uint8Array, from: number, to: number): string {
  const zero = bytes.indexOf(0, from);
  const end = Math.min(to, zero < 0 ? to : zero, from + MAX_TEXT);
  return end > from ? new TextDecoder().decode(bytes.subarray(from, end)) : '';
}
function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}
function u64(bytes: Uint8Array, at: number): number {
  return u32(bytes, at) * 0x1_0000_0000 + u32(bytes, at + 4);
}
