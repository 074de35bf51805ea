import type { Condition, MetricsConfiguration } from '@retina/kube';
import { canonical } from '../canonical.ts';
import type { Judgement } from './judge.ts';

type Status = NonNullable<MetricsConfiguration['status']>;

/**
 * The status that says a judgement, or undefined if the present one does already. Agents follow `lastKnownSpec`: the last
 * specification that was good, so that a mistake changes nothing.
 */
export function statusOf(
  object: MetricsConfiguration,
  { state, why, reason }: Judgement,
  now: Date,
): Status | undefined {
  const { metadata, spec, status } = object;
  const good = state !== 'Errored';
  // One that is not in force must not come into force by what it once was.
  const lastKnownSpec = good ? spec : why === 'NotTheOldest' ? undefined : status?.lastKnownSpec;
  const before = status?.conditions?.find(({ type }) => type === 'Accepted');
  const verdict = good ? 'True' : 'False';
  const condition: Condition = {
    type: 'Accepted',
    status: verdict,
    reason: why,
    message: reason,
    lastTransitionTime: before?.status === verdict ? before.lastTransitionTime : now.toISOString().replace(/\.\d+/, ''),
    ...(metadata.generation !== undefined && { observedGeneration: metadata.generation }),
  };
  const next: Status = { state, reason, ...(lastKnownSpec && { lastKnownSpec }), conditions: [condition] };
  return same(next, status) ? undefined : next;
}

function same(next: Status, now: Status | undefined): boolean {
  if (!now || next.state !== now.state || next.reason !== now.reason) return false;
  const [wanted, found] = [next.conditions?.[0], now.conditions?.find(({ type }) => type === 'Accepted')];
  if (!found || wanted?.status !== found.status || wanted.reason !== found.reason) return false;
  if (wanted.observedGeneration !== found.observedGeneration) return false;
  return canonical(next.lastKnownSpec ?? {}) === canonical(now.lastKnownSpec ?? {});
}
