/** A kernel that the tests boot. */
export interface Kernel {
  /** As pages and options call it. */
  readonly name: string;
  /** Debian's suite whose cloud kernel it is. */
  readonly suite: string;
  /** Whether that suite has a security archive, where the newest builds are. */
  readonly security: boolean;
}

/** What is claimed to work: the floor, the long-term kernels since, and whatever is newest. */
export const KERNELS: readonly Kernel[] = [
  { name: '5.10', suite: 'bullseye', security: true },
  { name: '6.1', suite: 'bookworm', security: true },
  { name: '6.12', suite: 'trixie', security: true },
  { name: 'newest', suite: 'sid', security: false },
];

/** Why kernels could not be tested here: a reason to leave them out on a laptop, and to fail under CI. */
export class Unavailable extends Error {
  override readonly name = 'Unavailable';
}
