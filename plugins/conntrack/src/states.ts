import { type Entry, SCTP, Status, TCP, UDP } from './ctnetlink.ts';

/** Names of the states, in the kernel's order. */
const TCP_STATES = [
  'NONE', 'SYN_SENT', 'SYN_RECV', 'ESTABLISHED', 'FIN_WAIT', 'CLOSE_WAIT', 'LAST_ACK', 'TIME_WAIT', 'CLOSE', 'SYN_SENT2',
] as const; // prettier-ignore
const SCTP_STATES = [
  'NONE', 'CLOSED', 'COOKIE_WAIT', 'COOKIE_ECHOED', 'ESTABLISHED', 'SHUTDOWN_SENT', 'SHUTDOWN_RECD', 'SHUTDOWN_ACK_SENT',
  'HEARTBEAT_SENT', 'HEARTBEAT_ACKED',
] as const; // prettier-ignore
const PROTOCOLS: Readonly<Record<number, string>> = {
  1: 'ICMP', [TCP]: 'TCP', [UDP]: 'UDP', 33: 'DCCP', 47: 'GRE', 58: 'ICMPv6', [SCTP]: 'SCTP', 136: 'UDPLite',
}; // prettier-ignore

/** IANA's name of a protocol the kernel tracks, or its number. */
function protocolName(protocol: number): string {
  return PROTOCOLS[protocol] ?? String(protocol);
}

/** The protocol's own state where it has one, else whether both sides have been heard. */
export function stateName(entry: Pick<Entry, 'original' | 'state' | 'status'>): string {
  const names = entry.original.protocol === TCP ? TCP_STATES : entry.original.protocol === SCTP ? SCTP_STATES : [];
  const name = names[entry.state];
  if (name) return name;
  if (entry.status & Status.ASSURED) return 'ASSURED';
  return entry.status & Status.SEEN_REPLY ? 'REPLIED' : 'UNREPLIED';
}

/** Entries by family, protocol and state, and by what is translated of them. */
export class StateCount {
  readonly byState = new Map<string, { readonly family: string; readonly protocol: string; readonly state: string; count: number }>(); // prettier-ignore
  readonly byTranslation = { none: 0, source: 0, destination: 0, both: 0 };

  add(entry: Entry): void {
    const family = entry.family === 4 ? 'ipv4' : 'ipv6';
    const protocol = protocolName(entry.original.protocol);
    const state = stateName(entry);
    const key = `${family} ${protocol} ${state}`;
    let row = this.byState.get(key);
    if (!row) this.byState.set(key, (row = { family, protocol, state, count: 0 }));
    row.count++;
    const source = (entry.status & Status.SRC_NAT) !== 0;
    const destination = (entry.status & Status.DST_NAT) !== 0;
    this.byTranslation[source && destination ? 'both' : source ? 'source' : destination ? 'destination' : 'none']++;
  }
}
