const TYPES: Readonly<Record<number, string>> = {
  1: 'A', 2: 'NS', 5: 'CNAME', 6: 'SOA', 12: 'PTR', 15: 'MX', 16: 'TXT', 28: 'AAAA', 33: 'SRV', 35: 'NAPTR', 39: 'DNAME',
  43: 'DS', 46: 'RRSIG', 47: 'NSEC', 48: 'DNSKEY', 52: 'TLSA', 64: 'SVCB', 65: 'HTTPS', 252: 'AXFR', 255: 'ANY', 257: 'CAA',
}; // prettier-ignore
const CODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED'];
const LONGEST_NAME = 255;

export function dnsTypeName(type: number): string {
  return TYPES[type] ?? `TYPE${type}`;
}

export function dnsCodeName(code: number): string {
  return CODES[code] ?? `RCODE${code}`;
}

/** Without the last dot, what does not print escaped as in zone files, bounded; "." is the root. */
export function dnsName(name: string): string {
  const bounded = name.slice(0, LONGEST_NAME).replace(/\.$/, '');
  return (
    bounded.replace(
      /[^\x21-\x7e]/g,
      (character) => `\\${String((character.codePointAt(0) ?? 0) & 0xff).padStart(3, '0')}`,
    ) || '.'
  );
}
