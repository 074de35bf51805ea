/** A network interface of the agent's network namespace that is tapped, or could not be. */
export interface Tap {
  readonly ifindex: number;
  readonly name: string;
  /** `endpoint`: host side of a veth that leads to another namespace. `uplink`: carries a default route. `extra`: named in the configuration. */
  readonly role: 'endpoint' | 'uplink' | 'extra';
  /** How programs hang on it now. */
  readonly mode: 'tcx' | 'clsact' | 'none';
  /** Why it is not attached, or only in part. */
  readonly error?: string;
  /** Inode of the namespace at the other end, 0 where unknown. */
  readonly peerNetns: number;
}

/** The tap programs of one object, as RT_TAP(name) made them. */
export interface TapProgram {
  /** The NAME given to RT_TAP: programs NAME_ingress, NAME_ingress_head, NAME_ingress_member and the same for egress. */
  readonly name: string;
}

/** The host's tap service: follows interfaces, attaches one program per hook, chains the others behind it. */
export interface Taps {
  /** Puts the object's tap programs on every tap, now and later, until disposed of. */
  attach(object: import('./kernel.ts').BpfHandle, program: TapProgram): Disposable;
  /** Every tap as it is now. */
  list(): readonly Tap[];
  /** Called with every tap at once, then with each that appears, changes or vanishes. */
  watch(listener: (change: 'added' | 'changed' | 'removed', tap: Tap) => void): Disposable;
}
