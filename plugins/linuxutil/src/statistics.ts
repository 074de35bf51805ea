/** What a table said, by `Protocol.Name`, and how many of its lines made no sense. */
export interface Statistics {
  readonly values: ReadonlyMap<string, number>;
  readonly malformed: number;
}

/** Protocol and name are the kernel's; a foreign file must not make label values of its own. */
const WORD = /^[A-Za-z][A-Za-z0-9]{0,63}$/;
const NUMBER = /^-?\d{1,20}$/;

/** netstat and snmp: pairs of lines, `Tcp: InSegs OutSegs` above `Tcp: 12 34`. */
export function parsePairs(text: string): Statistics {
  const values = new Map<string, number>();
  let malformed = 0;
  const lines = text.split('\n').filter((line) => line.trim() !== '');
  for (let i = 0; i < lines.length; i++) {
    const names = words(lines[i]!);
    const numbers = words(lines[i + 1] ?? '');
    const protocol = names[0]!.slice(0, -1);
    const paired = names[0] === numbers[0] && names.length === numbers.length && names[0]!.endsWith(':');
    if (!paired || !WORD.test(protocol)) {
      malformed++; // and the next line may be the first of a pair
      continue;
    }
    i++;
    for (let j = 1; j < names.length; j++) {
      if (!WORD.test(names[j]!) || !NUMBER.test(numbers[j]!)) malformed++;
      else keep(values, `${protocol}.${names[j]!}`, Number(numbers[j]));
    }
  }
  return { values, malformed };
}

/** snmp6: `Udp6InErrors  3`, a line each. */
export function parseLines(text: string): Statistics {
  const values = new Map<string, number>();
  let malformed = 0;
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const [, protocol, name, value] = /^(Ip6|Icmp6|Udp6|UdpLite6)([A-Za-z0-9]{1,64})\s+(\d{1,20})\s*$/.exec(line) ?? [];
    if (protocol) keep(values, `${protocol}.${name!}`, Number(value));
    else malformed++;
  }
  return { values, malformed };
}

/** sockstat and sockstat6: `TCP: inuse 3 orphan 0`, names and numbers in turns. */
export function parseSockstat(text: string): Statistics {
  const values = new Map<string, number>();
  let malformed = 0;
  for (const line of text.split('\n')) {
    if (line.trim() === '') continue;
    const [protocol = '', ...rest] = words(line);
    const valid = /^[A-Za-z0-9]{1,16}:$/.test(protocol) && rest.length % 2 === 0;
    if (!valid) malformed++;
    for (let i = 0; valid && i < rest.length; i += 2) {
      if (WORD.test(rest[i]!) && NUMBER.test(rest[i + 1]!)) {
        keep(values, `${protocol.slice(0, -1)}.${rest[i]!}`, Number(rest[i + 1]));
      } else malformed++;
    }
  }
  return { values, malformed };
}

/** Values below zero are settings (MaxConn -1), no counts. */
function keep(values: Map<string, number>, key: string, value: number): void {
  if (value >= 0 && !values.has(key)) values.set(key, value);
}

function words(line: string): string[] {
  return line.trim().split(/\s+/);
}
