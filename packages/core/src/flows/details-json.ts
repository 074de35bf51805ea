import type { DnsDetails, FlowDetails, PolicyDetails } from '@retina/sdk';

/** A DNS message; its texts are hostile. */
interface DnsJson {
  readonly id: number;
  readonly response: boolean;
  readonly query: string;
  readonly query_type: string;
  readonly response_code?: string;
  readonly addresses?: readonly string[];
  readonly cnames?: readonly string[];
  /** Seconds. */
  readonly ttl?: number;
  readonly answers?: number;
  readonly truncated?: boolean;
  readonly latency_ms?: number;
}

/** What hangs off a flow record beside its numbers. */
export interface FlowDetailsJson {
  readonly dns?: DnsJson;
  readonly policies?: readonly PolicyDetails[];
  readonly reason?: string;
  /** The packet's first bytes, from the network header on, in hexadecimal. */
  readonly packet?: string;
}

export function detailsJson({ dns, policies, reason, packet }: FlowDetails): FlowDetailsJson {
  return {
    ...(dns && { dns: dnsJson(dns) }),
    ...(policies && { policies }),
    ...(reason !== undefined && { reason }),
    ...(packet && { packet: Buffer.from(packet.buffer, packet.byteOffset, packet.length).toString('hex') }),
  };
}

function dnsJson(dns: DnsDetails): DnsJson {
  const { id, response, query, queryType, responseCode, addresses, cnames, ttl, answers, truncated, latencyMs } = dns;
  return {
    id,
    response,
    query,
    query_type: queryType,
    ...(responseCode !== undefined && { response_code: responseCode }),
    ...(addresses && { addresses }),
    ...(cnames && { cnames }),
    ...(ttl !== undefined && { ttl }),
    ...(answers !== undefined && { answers }),
    ...(truncated !== undefined && { truncated }),
    ...(latencyMs !== undefined && { latency_ms: latencyMs }),
  };
}
