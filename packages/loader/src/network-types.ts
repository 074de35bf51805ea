/** What is known of a network namespace: its interfaces and addresses, and others it has a name for. */

export interface Interface {
  readonly ifindex: number;
  readonly name: string;
  /** rtnl kind: `veth`, `bridge`, `vlan`, `bond`, …; empty for physical devices and loopback. */
  readonly kind: string;
  readonly up: boolean;
  readonly loopback: boolean;
  /** MAC address, 6 bytes or empty. */
  readonly mac: Uint8Array;
  readonly mtu: number;
  /** IFLA_LINK: the lower device of a VLAN, the peer of a veth; 0 if none. */
  readonly linkIfindex: number;
  /** IFLA_LINK_NETNSID: id of the namespace that `linkIfindex` is in; -1 if it is ours. */
  readonly linkNetnsid: number;
  /** Bridge or bond it belongs to; 0 if none. */
  readonly master: number;
}

export interface DefaultRoute {
  readonly ifindex: number;
  /** Whether one is in the main table; else it is in a table that only rules lead to. */
  readonly main: boolean;
}

export interface Address {
  readonly ifindex: number;
  /** 16 bytes, IPv4 as ::ffff:a.b.c.d */
  readonly address: Uint8Array;
  readonly prefixLength: number;
}

/** A change in the network configuration of a namespace, as netlink reported it. */
export type NetworkEvent =
  | { readonly type: 'interface'; readonly change: 'added' | 'changed' | 'removed'; readonly interface: Interface }
  | { readonly type: 'address'; readonly change: 'added' | 'removed'; readonly address: Address }
  /** Default routes changed, or events were lost (ENOBUFS): read everything again. */
  | { readonly type: 'routes' | 'resync' };

export interface NamedNamespace {
  /** Name under /run/netns. */
  readonly name: string;
  /** Inode number, what the kernel calls the namespace's id elsewhere. */
  readonly inode: number;
  /** Id that links of our namespace refer to it by; -1 if none of them does. */
  readonly netnsid: number;
}
