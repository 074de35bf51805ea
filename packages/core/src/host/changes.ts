import type { Config } from '../config/schema.ts';

/** What is read once, when the host starts. */
const READ_ONCE = ['nodeName', 'clusterName', 'flows', 'api', 'kernelEvents', 'directory'] as const;

/** Keys that differ and are not taken over before a restart. */
export function untilRestart(before: Config, now: Config): readonly string[] {
  return READ_ONCE.filter((key) => !same(before[key], now[key]));
}

/** Whether endpoints get their names from the same places. */
export function sameNames(before: Config, now: Config): boolean {
  const from = ({ identity, kubernetes }: Config) => ({ ...identity, cluster: kubernetes.enabled });
  return same(from(before), from(now));
}

/** Whether two parts of a configuration say the same. */
export function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
