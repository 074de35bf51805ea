import { kubeSchemas, type MetricsConfiguration } from '@retina/kube';
import { nearly } from '../nearly.ts';
import { KNOWN_METRICS, WITHOUT_PODS } from './known-metrics.ts';

export type State = 'Accepted' | 'Errored';

/** What the operator makes of one MetricsConfiguration. */
export interface Judgement {
  readonly state: State;
  /** One word in CamelCase, for the condition. */
  readonly why: 'Valid' | 'UnknownMetrics' | 'Invalid' | 'NotTheOldest';
  /** Whole sentences: what was found, what is needed, what to do. */
  readonly reason: string;
}

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

/** Judges one specification by itself. The server's rules are the schema's; what it took before it knew them breaks them here. */
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
    (option.additionalLabels ?? []).forEach((label, j) => {
      if (label.toLowerCase() === 'is_reply') return;
      warnings.push(`${at}.additionalLabels[${j}]: ${JSON.stringify(label)} has no effect; is_reply is the only one there is`); // prettier-ignore
    });
  });
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
  const near = KNOWN_METRICS.find((known) => nearly(known, name));
  return near ? `; did you mean ${near}?` : '';
}
