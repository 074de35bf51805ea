import { isIP } from 'node:net';
import {
  Direction,
  type DnsDetails,
  type FlowDetails,
  type FlowValues,
  Observation,
  Reply,
  Verdict,
} from '@retina/sdk';
import { addressBytes, addressText } from './address.ts';
import { dnsCodeName, dnsName, dnsTypeName } from './dns-names.ts';
import { fieldsOf, type GobValue } from './gob-types.ts';
import { dropReasonName } from './names.ts';
import type { Label } from './rows.ts';

/** An event of Cilium's proxies as a flow record, and what an answer to a DNS query said of addresses. */
export interface AccessRecord {
  readonly values: FlowValues;
  readonly details: FlowDetails;
  /** Addresses `name` was said to have, for `ttl` seconds; none unless this is such an answer. */
  readonly learned: readonly Uint8Array[];
  readonly name: string;
  readonly ttl: number;
}

const MOST_TEXT = 256;
const MOST_ADDRESSES = 64;
const MOST_NAMES = 16;

type Fields = ReadonlyMap<string, GobValue>;

/** Reads an `accesslog.LogRecord`; undefined where it names no addresses. URL and headers of HTTP are left unread: they hold secrets. */
export function readAccessLog(record: GobValue, label: Label, now: number): AccessRecord | undefined {
  const fields = fieldsOf(record);
  const v6 = number(fields, 'IPVersion') === 1;
  const [source, destination] = [end(fields, 'SourceEndpoint', v6), end(fields, 'DestinationEndpoint', v6)];
  if (!source || !destination) return undefined;
  const verdict = text(fields, 'Verdict');
  const denied = verdict === 'Denied';
  const type = text(fields, 'Type');
  const dns = readDns(fieldsOf(fields.get('DNS')), type === 'Response');
  const what = describe(fields, dns !== undefined);
  const info = text(fields, 'Info');
  const reason = [`proxy, ${verdict.toLowerCase() || 'verdict unknown'}`, what, info]
    .filter((part) => part !== '')
    .join(', ');
  const dropped = number(fields, 'DropReason');
  const values: FlowValues = {
    sourceAddress: source.address,
    destinationAddress: destination.address,
    sourcePort: source.port,
    destinationPort: destination.port,
    family: v6 ? 6 : 4,
    protocol: number(fields, 'TransportProtocol') & 0xff,
    firstSeen: now,
    start: now,
    end: now,
    observation: Observation.HOST,
    direction: DIRECTIONS[text(fields, 'ObservationPoint')] ?? Direction.UNKNOWN,
    isReply: REPLIES[type] ?? Reply.UNKNOWN,
    verdict: denied ? Verdict.DROPPED : (VERDICTS[verdict] ?? Verdict.UNKNOWN),
    dropReason: denied ? label(dropped === 0 ? 'POLICY_DENIED' : dropReasonName(Math.min(dropped, 256))) : 0,
  };
  const learned = dns?.response ? ipsOf(fieldsOf(fields.get('DNS'))) : [];
  return { values, details: { reason, ...(dns && { dns }) }, learned, name: dns?.query ?? '', ttl: dns?.ttl ?? 0 };
}

const DIRECTIONS: Readonly<Record<string, number>> = { Ingress: Direction.INGRESS, Egress: Direction.EGRESS };
const REPLIES: Readonly<Record<string, number>> = { Request: Reply.NO, Response: Reply.YES };
const VERDICTS: Readonly<Record<string, number>> = { Forwarded: Verdict.FORWARDED, Redirected: Verdict.FORWARDED };

/** Protocol, and of HTTP method and status. */
function describe(fields: Fields, dns: boolean): string {
  if (dns) return 'DNS';
  const http = fieldsOf(fields.get('HTTP'));
  if (http.size > 0) {
    const code = number(http, 'Code');
    return ['HTTP', text(http, 'Method'), code === 0 ? '' : String(code)].filter((part) => part !== '').join(' ');
  }
  const kafka = fieldsOf(fields.get('Kafka'));
  if (kafka.size > 0) return `Kafka ${text(kafka, 'APIKey')}`.trim();
  return text(fieldsOf(fields.get('L7')), 'Proto');
}

function readDns(dns: Fields, response: boolean): DnsDetails | undefined {
  if (dns.size === 0) return undefined;
  const [firstType] = numbers(dns, 'QTypes');
  const addresses = ipsOf(dns).map(addressText);
  const cnames = list(dns, 'CNAMEs')
    .slice(0, MOST_NAMES)
    .map((name) => (typeof name === 'string' ? dnsName(name) : ''));
  return {
    id: 0, // the proxy does not say
    response,
    query: dnsName(text(dns, 'Query')),
    queryType: dnsTypeName(firstType ?? 0),
    ...(response && {
      responseCode: dnsCodeName(number(dns, 'RCode')),
      ttl: number(dns, 'TTL'),
      answers: numbers(dns, 'AnswerTypes').length,
      ...(addresses.length > 0 && { addresses }),
      ...(cnames.length > 0 && { cnames }),
    }),
  };
}

function ipsOf(dns: Fields): Uint8Array[] {
  const found = list(dns, 'IPs').filter((ip) => ip instanceof Uint8Array && (ip.length === 4 || ip.length === 16));
  return found.slice(0, MOST_ADDRESSES).map((ip) => mapped(ip as Uint8Array));
}

/** 16 bytes of its own. */
function mapped(ip: Uint8Array): Uint8Array {
  const address = new Uint8Array(16);
  if (ip.length === 4) address.fill(0xff, 10, 12);
  address.set(ip, 16 - ip.length);
  return address;
}

function end(
  record: Fields,
  name: string,
  v6: boolean,
): { readonly address: Uint8Array; readonly port: number } | undefined {
  const fields = fieldsOf(record.get(name));
  const address = text(fields, v6 ? 'IPv6' : 'IPv4');
  if (isIP(address) !== (v6 ? 6 : 4)) return undefined;
  return { address: addressBytes(address), port: number(fields, 'Port') & 0xffff };
}

function text(fields: Fields, name: string): string {
  const value = fields.get(name);
  return typeof value === 'string' ? value.slice(0, MOST_TEXT) : '';
}

function number(fields: Fields, name: string): number {
  const value = fields.get(name);
  return typeof value === 'number' && value >= 0 ? value : 0;
}

function list(fields: Fields, name: string): readonly GobValue[] {
  const value = fields.get(name);
  return Array.isArray(value) ? (value as readonly GobValue[]) : [];
}

function numbers(fields: Fields, name: string): number[] {
  return list(fields, name).filter((value) => typeof value === 'number');
}
