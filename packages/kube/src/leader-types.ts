import type { KubeError } from './kube-error.ts';

export interface LeaderElectionOptions {
  /** Default: the client's. */
  readonly namespace?: string;
  /** Name of the Lease. */
  readonly name: string;
  /** Unique for each candidate, also for the same pod after a restart of its container. */
  readonly identity: string;
  /** How long others wait, by their own clocks, after the last renewal they saw; default 15 000. */
  readonly leaseDurationMs?: number;
  /** A leader that could not renew for so long stops leading; below leaseDurationMs; default 10 000. */
  readonly renewDeadlineMs?: number;
  /** Between two attempts; default 2000. */
  readonly retryPeriodMs?: number;
  /** This candidate leads until `signal` aborts. What it does must end by then. */
  readonly onLead: (signal: AbortSignal) => void;
  /** It no longer leads: lost, or given up by `stop`. */
  readonly onLost?: () => void;
  /** Another one, or this one, leads now. */
  readonly onLeader?: (identity: string) => void;
  /** An attempt failed; it is tried again. */
  readonly onError?: (error: KubeError) => void;
}

/** One candidate. */
export interface LeaderElection {
  readonly isLeader: boolean;
  /** Who leads as far as is known; `''` for nobody. */
  readonly leader: string;
  /** Gives the lease up if it is held, so that another one leads at once. */
  stop(): Promise<void>;
}
