import type { DnsDetails, DnsJson, FlowDetails, FlowDetailsJson } from '@retina/sdk';

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
