/** DNS messages for tests, built byte by byte: right ones, and any wrong one. */
export interface RecordSpec {
  readonly name?: string | Uint8Array;
  readonly type: number;
  readonly class?: number;
  readonly ttl?: number;
  readonly data: Uint8Array | readonly number[];
}

export interface MessageSpec {
  readonly id?: number;
  readonly response?: boolean;
  readonly opcode?: number;
  readonly truncated?: boolean;
  readonly code?: number;
  readonly name?: string | Uint8Array;
  readonly type?: number;
  readonly answers?: readonly RecordSpec[];
  readonly authority?: readonly RecordSpec[];
  readonly additional?: readonly RecordSpec[];
  /** Counts as the header tells them, where they are to be wrong. */
  readonly counts?: readonly [questions: number, answers: number, authority: number, additional: number];
}

/** A name as on the wire. */
export function wireName(name: string | Uint8Array): Uint8Array {
  if (typeof name !== 'string') return name;
  const labels = name === '.' || name === '' ? [] : name.split('.');
  return Uint8Array.from(labels.flatMap((label) => [label.length, ...Buffer.from(label, 'latin1')]).concat(0));
}

const word = (value: number) => [value >> 8, value & 0xff];
const long = (value: number) => [...word(value >>> 16), ...word(value & 0xffff)];

/** Points to the question's name. */
export const POINTER = Uint8Array.of(0xc0, 12);

export function message(spec: MessageSpec): Uint8Array {
  const { id = 1, response = false, opcode = 0, truncated = false, code = 0, name, type = 1 } = spec;
  const sections = [spec.answers ?? [], spec.authority ?? [], spec.additional ?? []];
  const counts = spec.counts ?? [name === undefined ? 0 : 1, ...sections.map(({ length }) => length)];
  const flags = (response ? 0x8000 : 0) | (opcode << 11) | (truncated ? 0x0200 : 0) | 0x0100 | code;
  const question = name === undefined ? [] : [...wireName(name), ...word(type), 0, 1];
  const records = sections
    .flat()
    .flatMap((record) => [
      ...wireName(record.name ?? POINTER),
      ...word(record.type),
      ...word(record.class ?? 1),
      ...long(record.ttl ?? 60),
      ...word(record.data.length),
      ...record.data,
    ]);
  return Uint8Array.from([...word(id), ...word(flags), ...counts.flatMap(word), ...question, ...records]);
}

/** With the two bytes of length TCP puts in front. */
export function prefixed(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([...word(bytes.length), ...bytes]);
}

export const a = (...address: number[]): RecordSpec => ({ type: 1, data: address });
export const aaaa = (last: number): RecordSpec => ({
  type: 28,
  data: [0x20, 1, 0xd, 0xb8, ...new Array<number>(11).fill(0), last],
});
export const cname = (to: string, from?: string): RecordSpec => ({
  type: 5,
  data: wireName(to),
  ...(from !== undefined && { name: from }),
});
