import { kubeSchemas, type MetricsConfiguration } from '@retina/kube';
import { CONTEXT_LABELS, KNOWN_METRICS, WITHOUT_PODS } from './known-metrics.ts';

export type State = 'Accepted' | 'Errored';

/** What the operator makes of one MetricsConfiguration. */
export interface Judgement {
  readonly state: State;
  /** One word in CamelCase, for the condition. */
  readonly why: 'Valid' | 'UnknownMetrics' | 'Invalid' | 'NotTheOldest';
  /** Whole sentences: what was found, what is needed, what to do. */
  readonly reason: string;
}

const DURATION = /^(0|(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+)$/;

/**
 * Judges all MetricsConfigurations together, since one at most is in force: the oldest, by name where two are equally
 * old, whether it is valid or not. So a mistake in it never brings another one into force unasked.
 */
export function judge(all: readonly MetricsConfiguration[]): Map<string, Judgement> {
  const [oldest, ...others] = all.filter(({ metadata }) => !metadata.deletionTimestamp).sort(byAge);
  const verdicts = new Map<string, Judgement>();
  if (!oldest) return verdicts;
  verdicts.set(oldest.metadata.name ?? '', judgeSpec(oldest.spec));
  for (const { metadata } of others) {
    verdicts.set(metadata.name ?? '', {
      state: 'Errored',
      why: 'NotTheOldest',
      reason:
        `Only one MetricsConfiguration can be in force, and ${oldest.metadata.name} is older: this one has no effect. ` +
        `Delete it, or ${oldest.metadata.name} to put this one in force.`,
    });
  }
  return verdicts;
}

function byAge(a: MetricsConfiguration, b: MetricsConfiguration): number {
  const [left, right] = [a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? ''];
  if (left !== right) return left < right ? -1 : 1;
  return (a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1;
}

/** Judges one specification by itself. The server has checked most of this; what it took before it knew the rules it has not. */
export function judgeSpec(spec: unknown): Judgement {
  const parsed = kubeSchemas.MetricsConfiguration.safeParse(spec);
  if (!parsed.success) {
    return invalid(parsed.error.issues.map(({ path, message }) => `spec${path.map(step).join('')}: ${message}`));
  }
  const problems: string[] = [];
  const warnings: string[] = [];
  const seen = new Set<string>();
  parsed.data.contextOptions.forEach((option, i) => {
    const at = `spec.contextOptions[${i}]`;
    const name = option.metricName.toLowerCase();
    if (seen.has(name)) problems.push(`${at}.metricName: ${option.metricName} is there twice; keep one`);
    seen.add(name);
    if (WITHOUT_PODS.includes(name)) {
      warnings.push(`${at}.metricName: ${option.metricName} is a metric of the node and has no labels to choose`);
    } else if (!KNOWN_METRICS.includes(name)) {
      warnings.push(`${at}.metricName: no plugin of Retina's own has ${option.metricName}; agents without one that has it ignore this${meant(name)}`); // prettier-ignore
    }
    for (const key of ['sourceLabels', 'destinationLabels'] as const) {
      (option[key] ?? []).forEach((label, j) => {
        if (CONTEXT_LABELS.includes(label.toLowerCase())) return;
        problems.push(`${at}.${key}[${j}]: found ${JSON.stringify(label)}, needed one of ${CONTEXT_LABELS.join(', ')}`);
      });
    }
    (option.additionalLabels ?? []).forEach((label, j) => {
      if (label.toLowerCase() === 'is_reply') return;
      warnings.push(`${at}.additionalLabels[${j}]: ${JSON.stringify(label)} has no effect; is_reply is the only one there is`); // prettier-ignore
    });
    if (option.ttl !== undefined && option.ttl !== '' && !DURATION.test(option.ttl)) {
      problems.push(`${at}.ttl: found ${JSON.stringify(option.ttl)}, needed a duration such as 5m or 1h30m`);
    }
  });
  const { include = [], exclude = [] } = parsed.data.namespaces ?? {};
  if (include.length > 0 && exclude.length > 0) {
    problems.push('spec.namespaces: include and exclude are both there; keep one');
  }
  if (problems.length > 0) return invalid(problems);
  if (warnings.length > 0)
    return { state: 'Accepted', why: 'UnknownMetrics', reason: `In force, but: ${joined(warnings)}` };
  return { state: 'Accepted', why: 'Valid', reason: 'In force.' };
}

function invalid(problems: readonly string[]): Judgement {
  return { state: 'Errored', why: 'Invalid', reason: joined(problems) };
}

/** A status is no place for thousands of lines. */
function joined(lines: readonly string[]): string {
  const shown = lines.slice(0, 10).map((line) => (line.length > 300 ? `${line.slice(0, 297)}...` : line));
  return shown.join('; ') + (lines.length > shown.length ? `; and ${lines.length - shown.length} more` : '');
}

function step(part: PropertyKey): string {
  return typeof part === 'number' ? `[${part}]` : `.${String(part)}`;
}

function meant(name: string): string {
  const near = KNOWN_METRICS.find((known) => known.replaceAll('_', '') === name.replaceAll(/[_-]/g, '') || distanceOne(known, name)); // prettier-ignore
  return near ? `; did you mean ${near}?` : '';
}

/** Whether one letter more, less or other makes `a` of `b`. */
function distanceOne(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  return a.slice(i + 1) === b.slice(i + 1) || a.slice(i + 1) === b.slice(i) || a.slice(i) === b.slice(i + 1);
}
