import type { EndpointSpec } from '@retina/core';
import type { ServiceFacts, SliceFacts } from './facts.ts';

/** What the original calls the API server in labels. */
const API_SERVER = 'kubernetes-apiserver';

/** The API server as an endpoint, its addresses left to the caller. */
export function apiServer(key: string): EndpointSpec {
  return { key, kind: 'api-server', namespace: API_SERVER, name: API_SERVER, service: 'kubernetes' };
}

/** Where the API server is, by the service `default/kubernetes` and its slices: `10.0.0.1:443`, sorted. */
export function apiServersOf(service: ServiceFacts | undefined, slices: Iterable<SliceFacts>): string[] {
  const join = (address: string, port: number) =>
    address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  const of = (addresses: readonly string[] = [], ports: readonly number[] = []) =>
    addresses.flatMap((address) => ports.map((port) => join(address, port)));
  const behind = [...slices].flatMap(({ addresses, ports }) => of(addresses, ports));
  return [...new Set([...of(service?.clusterAddresses, service?.apiPorts), ...behind])].sort();
}
