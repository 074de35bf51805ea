/** A workload that stands over a pod. */
export interface Workload {
  readonly kind: string;
  readonly name: string;
}

/** What is read of an owner reference. */
export interface Owner {
  readonly kind?: string | undefined;
  readonly name?: string | undefined;
  readonly controller?: boolean | undefined;
}

/** How far a Job's scheduled time may lie from the start of its pods: retries come later, clocks differ. */
const SCHEDULE_MINUTES = 8 * 24 * 60;

const NONE: readonly Workload[] = [];

/**
 * The workloads over a pod, top owner first, without asking for them: a ReplicaSet's name is its Deployment's (or
 * Rollout's) and the hash that its pods carry as a label; a CronJob's Job is called after the minute it was scheduled for.
 * A Job made by hand from a CronJob is taken for what it is called: a Job.
 */
export function workloadsOf(
  owners: readonly Owner[] | undefined,
  labels: Readonly<Record<string, string>> | undefined,
  createdAt: number | undefined,
): readonly Workload[] {
  const owner = owners?.find(({ controller }) => controller) ?? owners?.[0];
  if (!owner?.kind || !owner.name) return NONE;
  const { kind, name } = owner;
  const above =
    kind === 'ReplicaSet' ? overReplicaSet(name, labels) : kind === 'Job' ? overJob(name, createdAt) : undefined;
  return above ? [above, { kind, name }] : [{ kind, name }];
}

function overReplicaSet(name: string, labels: Readonly<Record<string, string>> = {}): Workload | undefined {
  for (const [label, kind] of [
    ['pod-template-hash', 'Deployment'],
    ['rollouts-pod-template-hash', 'Rollout'],
  ] as const) {
    const hash = labels[label];
    if (hash && name.length > hash.length + 1 && name.endsWith(`-${hash}`)) {
      return { kind, name: name.slice(0, -hash.length - 1) };
    }
  }
  return undefined;
}

function overJob(name: string, createdAt: number | undefined): Workload | undefined {
  const [, cronJob, minutes] = /^(.+)-(\d{8,9})$/.exec(name) ?? [];
  if (cronJob === undefined || createdAt === undefined) return undefined;
  // A number that is no such time (a date, say) is part of the Job's own name.
  return Math.abs(Number(minutes) - createdAt / 60_000) <= SCHEDULE_MINUTES
    ? { kind: 'CronJob', name: cronJob }
    : undefined;
}
