/** Access to the node that no BPF program is needed for. The host owns the sockets; the plugin names what it needs in `needs`. */

/** Netlink families a plugin may talk to, by number as in linux/netlink.h. */
export const NetlinkFamily = { ROUTE: 0, SOCK_DIAG: 4, NETFILTER: 12, GENERIC: 16 } as const;

/** One netlink message, borrowed: valid until the handler returns. */
export interface NetlinkMessage {
  /** nlmsg_type; for NETFILTER the subsystem in the upper byte. */
  readonly type: number;
  /** nlmsg_flags. */
  readonly flags: number;
  /** What follows the netlink header: the family's own header, then attributes. */
  readonly payload: Uint8Array;
}

/** One request. Byte order and layout of `payload` are those of the family. */
export interface NetlinkRequest {
  /** A value of {@link NetlinkFamily}, or another family's number. */
  readonly family: number;
  /** nlmsg_type. */
  readonly type: number;
  /** nlmsg_flags; NLM_F_REQUEST is added. NLM_F_DUMP (0x300) asks for everything. */
  readonly flags: number;
  /** What follows the netlink header. */
  readonly payload: Uint8Array;
  /**
   * For answers of 100 000 messages, of which few bytes are read: each batch is handed over as one message, of type 0, whose
   * payload is the batch as it lies in memory: messages one behind the other, each with its header of 16 bytes, aligned to 4.
   */
  readonly unsplit?: boolean;
}

/** What the kernel sends a subscription: of the messages of its groups those that match; the others cost no copy and no wake-up. */
export interface NetlinkFilter {
  /** Bytes of the family's own header, behind which the attributes begin. */
  readonly header: number;
  /** Type of a top-level attribute whose value is 32 bits in network order. */
  readonly attribute: number;
  /** Wanted is a message in which the attribute has any of these bits. */
  readonly mask: number;
}

/** Questions to the kernel and its notifications. Sockets are the host's; subscriptions end with the scope. Without the native loader every call throws RETINA_NATIVE_MISSING. */
export interface Netlink {
  /**
   * Sends one request, off the event loop, and hands over the answer as it comes, in batches of messages. Resolves with
   * their number. A dump the kernel marks as interrupted is handed over all the same: `interrupted` says so. Throws
   * RETINA_NETLINK_FAILED with the kernel's errno.
   */
  request(
    request: NetlinkRequest,
    handle: (messages: readonly NetlinkMessage[]) => void,
  ): Promise<{ readonly messages: number; readonly interrupted: boolean }>;
  /**
   * Follows multicast groups (their numbers, as for NETLINK_ADD_MEMBERSHIP). `lost` counts the times the kernel had to
   * drop messages since the last call, since nobody read them in time (ENOBUFS).
   */
  subscribe(
    family: number,
    groups: readonly number[],
    handle: (messages: readonly NetlinkMessage[], lost: number) => void,
    filter?: NetlinkFilter,
  ): Disposable;
}

/** What drivers say of network interfaces. */
export interface Devices {
  /**
   * A driver's own counters, `ethtool -S`, by name as the driver spells them. Undefined where the driver has none. Throws
   * RETINA_NETLINK_FAILED if the interface is gone.
   */
  statistics(interfaceName: string): Promise<ReadonlyMap<string, number> | undefined>;
}

/** An address and port of the Kubernetes API server. */
export interface ServerAddress {
  /** 16 bytes, IPv4 as ::ffff:a.b.c.d */
  readonly address: Uint8Array;
  readonly port: number;
}

/** Where the API server is reached: the cluster says, or the configuration's `apiServers`. */
export interface ApiServers {
  /** The servers as known now; empty where none is. */
  list(): readonly ServerAddress[];
  /** Called with the list at once, then whenever it changes. */
  watch(listener: (servers: readonly ServerAddress[]) => void): Disposable;
}

/** Names the node has seen its peers by (DNS answers): hints for addresses that belong to no known endpoint. Bounded; each lives for its TTL. */
export interface AddressNames {
  /** `address`: 16 bytes. `name`: without the last dot. `ttlSeconds` is held between 1 s and a day. */
  learn(address: Uint8Array, name: string, ttlSeconds: number): void;
  /** Newest first; empty if none is known. */
  of(address: Uint8Array): readonly string[];
}
