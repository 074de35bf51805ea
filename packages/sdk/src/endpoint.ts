/** What an endpoint is. `world`: outside the cluster; `overflow`: known endpoints are at their limit, and this stands for the others. */
export type EndpointKind = 'unknown' | 'pod' | 'node' | 'service' | 'host' | 'api-server' | 'world' | 'overflow';

/** Who is behind an address or interface. */
export interface Endpoint {
  /** Small integer, stable while the endpoint lives, never reused within the linger time. 0 is the unknown endpoint. */
  readonly id: number;
  readonly kind: EndpointKind;
  readonly namespace: string;
  readonly name: string;
  /** Top owner first: a Deployment, not its ReplicaSet. */
  readonly workloads: readonly { readonly kind: string; readonly name: string }[];
  readonly labels: Readonly<Record<string, string>>;
  readonly service: string;
  readonly zone: string;
  readonly node: string;
  /** Textual addresses, RFC 5952. */
  readonly addresses: readonly string[];
}

/** Who is behind an address. Never throws; an endpoint that is returned may be kept, and is not updated any more. */
export interface EndpointReader {
  /** The endpoint of an id from a flow record; the unknown endpoint if it is gone. */
  byId(id: number): Endpoint;
  /** Of a 16-byte address, IPv4 as ::ffff:a.b.c.d. */
  byAddress(address: Uint8Array): Endpoint;
}
