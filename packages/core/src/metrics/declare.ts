import { bucketBounds, type Buckets, type MetricSpec, type MetricSpecs, RetinaError } from '@retina/sdk';

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const LABEL = /^[a-zA-Z_][a-zA-Z0-9_]*$/;

/** Checks declarations against the rules and against names that are taken. All mistakes are in the one error it throws. */
export function checkSpecs(
  owner: string,
  specs: MetricSpecs,
  prefix: string,
  takenBy: (name: string) => string | undefined,
): void {
  const problems: string[] = [];
  for (const [key, spec] of Object.entries(specs)) {
    const name = prefix + key;
    const say = (problem: string) => problems.push(`${name}: ${problem}`);
    if (!NAME.test(name)) say('is no metric name: letters, digits, _ and : only, no digit first');
    for (const sample of samplesOf(name, spec)) {
      const other = takenBy(sample);
      if (other !== undefined && other !== owner) say(`the name ${sample} is taken by ${other}`);
    }
    if (spec.help.trim() === '') say('has no help');
    if (spec.maxSeries !== undefined && !(Number.isInteger(spec.maxSeries) && spec.maxSeries > 0))
      say('maxSeries must be a whole number above 0');
    const labels = spec.labels ?? [];
    for (const label of labels) {
      if (!LABEL.test(label) || label.startsWith('__'))
        say(`"${label}" is no label name: letters, digits and _ only, not __ first`);
    }
    if (new Set(labels).size !== labels.length) say('a label name stands twice');
    if (spec.kind === 'histogram') {
      if (labels.includes('le')) say('a histogram may not have a label "le"');
      const problem = bucketProblem(spec.buckets);
      if (problem !== undefined) say(problem);
    }
    if (spec.scope === 'pod' && labels.includes('direction') && spec.direction) say('"direction" is a label already');
  }
  if (problems.length === 0) return;
  throw new RetinaError('RETINA_METRIC_INVALID', `${owner} declares metrics that cannot be`, {
    found: problems.join('; '),
    next: 'correct the declarations',
    detail: problems.join('\n'),
  });
}

/** What is wrong with a declaration of buckets. */
export function bucketProblem(buckets: Buckets): string | undefined {
  let bounds: readonly number[];
  try {
    ({ bounds } = bucketBounds(buckets));
  } catch (error) {
    return (error as Error).message;
  }
  const ascending = bounds.every((bound, i) => Number.isFinite(bound) && (i === 0 || bound > bounds[i - 1]!));
  return bounds.length > 0 && ascending ? undefined : 'buckets must be finite and ascending';
}

/** Names a family's samples have. */
export function samplesOf(name: string, spec: MetricSpec): string[] {
  return spec.kind === 'histogram' ? [name, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name];
}

/** Whether series made under one declaration are still right under another. */
export function sameShape(a: MetricSpec, b: MetricSpec): boolean {
  return shape(a) === shape(b);
}

function shape(spec: MetricSpec): string {
  return JSON.stringify(Object.entries(spec).sort(([a], [b]) => (a < b ? -1 : 1)));
}
