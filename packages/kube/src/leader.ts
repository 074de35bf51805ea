import type { KubeClient } from './client-types.ts';
import type { LeaderElection, LeaderElectionOptions } from './leader-types.ts';

/** Stands for election until stopped: at most one candidate of a lease leads at any time, however clocks differ. */
export function leaderElection(_client: KubeClient, _options: LeaderElectionOptions): LeaderElection {
  throw new Error('soon');
}
