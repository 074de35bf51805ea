/** A DNS message as a flow record carries it. All text is as the packet had it, escaped as in zone files; hostile. */
export interface DnsDetails {
  readonly id: number;
  readonly response: boolean;
  /** Without the last dot; "." is the root. */
  readonly query: string;
  /** Such as `A`, `AAAA`, `TYPE65`. */
  readonly queryType: string;
  /** Responses: `NOERROR`, `NXDOMAIN`, …, or `RCODE11`. */
  readonly responseCode?: string;
  /** Responses: answer records of types A and AAAA, RFC 5952. */
  readonly addresses?: readonly string[];
  /** Responses: from the name asked for to the one the addresses belong to. */
  readonly cnames?: readonly string[];
  /** Responses: smallest time to live of the answers, in seconds. */
  readonly ttl?: number;
  /** Responses: answer records the header announces. */
  readonly answers?: number;
  /** The TC bit: the answer did not fit. */
  readonly truncated?: boolean;
  /** Responses: since the query, in milliseconds, where it was seen. */
  readonly latencyMs?: number;
}

/** A network policy that decided on a packet. */
export interface PolicyDetails {
  /** `CiliumNetworkPolicy`, `NetworkPolicy`, `nftables`, `iptables`, … */
  readonly kind: string;
  readonly namespace?: string;
  /** The policy's, or the chain's or rule's. */
  readonly name: string;
}

/** What hangs off a flow record beside its numbers. Records that carry only details have no packets: those are counted elsewhere. */
export interface FlowDetails {
  readonly dns?: DnsDetails;
  readonly policies?: readonly PolicyDetails[];
  /** The packet's first bytes, from the network header on: a sample. */
  readonly packet?: Uint8Array;
  /** What a verdict or event was called by its source, where the numbers do not say it. */
  readonly reason?: string;
}

/** Where the details of many records lie until somebody asks for those of one: most are never looked at. */
export interface DetailsStore {
  /** What `place` stands for, the same however often it is asked; may be kept. */
  details(place: number): FlowDetails;
}

/** Details in stores, by row. */
export interface StoredDetails {
  readonly stores: readonly (DetailsStore | undefined)[];
  readonly places: Readonly<ArrayLike<number>>;
}
