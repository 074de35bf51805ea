/**
 * What the node's address translation (NAT) makes of a connection. The ends are those of the packets of the one who began it.
 * Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d.
 */
export interface Translation {
  /** IANA protocol number; one with ports. */
  readonly protocol: number;
  /** Before: as the packets come. */
  readonly source: Uint8Array;
  readonly sourcePort: number;
  readonly destination: Uint8Array;
  readonly destinationPort: number;
  /** After: as the packets go on. */
  readonly newSource: Uint8Array;
  readonly newSourcePort: number;
  readonly newDestination: Uint8Array;
  readonly newDestinationPort: number;
}

/**
 * Which connections this node translates. Whoever knows tells; flow records and identity go by it, so that a flow to a
 * service's address names the backend, and one at the uplink the pod behind the host's address. Bounded.
 */
export interface Translations {
  /** A connection is translated from now on. False if there is no room for it. Told again, it stays. */
  begin(translation: Translation): boolean;
  /** It has ended. Records that are late still find it for a while. */
  end(translation: Translation): void;
  /** Ends all that were last told of before `time` (milliseconds since the Unix epoch): after everything was read anew. */
  endOlder(time: number): void;
  /** Connections known, those that have ended a moment ago included. */
  readonly size: number;
}
