import { bucketProblem } from '@retina/core';
import type { MetricSpec, MetricSpecs, Unit } from '@retina/sdk';

export interface MetricLintOptions {
  /** Keys whose names are forced by compatibility and may break the naming rules (not the others). */
  readonly compatible?: readonly string[];
}

const NAME = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;
const LABEL = NAME;
const RESERVED_LABELS = ['le', 'quantile', 'job', 'instance'];
const UNIT_WORDS: Readonly<Record<Unit, string>> = {
  bytes: 'bytes', seconds: 'seconds', milliseconds: 'milliseconds', ratio: 'ratio', nanoseconds: 'nanoseconds',
}; // prettier-ignore
/** What promtool calls non-base units and abbreviations. */
const BAD_WORDS: Readonly<Record<string, string>> = {
  ms: 'seconds', msec: 'seconds', us: 'seconds', usec: 'seconds', ns: 'seconds', milliseconds: 'seconds',
  nanoseconds: 'seconds', microseconds: 'seconds', minutes: 'seconds', hours: 'seconds', sec: 'seconds', kb: 'bytes',
  mb: 'bytes', kilobytes: 'bytes', megabytes: 'bytes', bits: 'bytes', percent: 'ratio', gauge: '(no type)',
  counter: '(no type)', histogram: '(no type)',
}; // prettier-ignore

/** Every rule of naming and shape a declaration breaks, one sentence each; empty if it is right. */
export function lintMetrics(metrics: MetricSpecs, options: MetricLintOptions = {}): string[] {
  const problems: string[] = [];
  for (const [key, spec] of Object.entries(metrics)) {
    const say = (problem: string) => problems.push(`metric ${key}: ${problem}`);
    if (!NAME.test(key)) say('the name must be lower-case words joined by single underscores');
    if (!options.compatible?.includes(key)) lintName(key, spec, say);
    lintShape(spec, say);
  }
  return problems;
}

function lintName(key: string, spec: MetricSpec, say: (problem: string) => void): void {
  const words = key.split('_');
  const total = words.at(-1) === 'total';
  if (spec.kind === 'counter' && !total) say('a counter ends in _total');
  if (spec.kind !== 'counter' && total) say('only a counter may end in _total');
  if (spec.kind !== 'histogram' && ['bucket', 'count', 'sum'].includes(words.at(-1)!)) {
    say(`_${words.at(-1)} is kept for the samples of a histogram`);
  }
  for (const word of words) {
    if (word in BAD_WORDS) say(`"${word}" does not belong into a name; base unit: ${BAD_WORDS[word]}`);
  }
  if (words[0] === 'networkobservability') say('the prefix is added by the host');
  const unit = total ? words.at(-2) : words.at(-1);
  if (spec.unit && unit !== UNIT_WORDS[spec.unit]) say(`its unit is ${spec.unit}, so the name must end in it`);
  if (!spec.unit && (unit === 'bytes' || unit === 'seconds' || unit === 'ratio'))
    say(`the name says ${unit}; declare the unit`);
}

function lintShape(spec: MetricSpec, say: (problem: string) => void): void {
  const help = spec.help.trim();
  if (help.length < 10 || help !== spec.help) say('help must be a sentence without blanks around it');
  if (help.includes('\n')) say('help must be one line');
  const labels = spec.labels ?? [];
  for (const label of labels) {
    if (!LABEL.test(label)) say(`label "${label}" must be lower-case words joined by single underscores`);
    if (RESERVED_LABELS.includes(label)) say(`label "${label}" is kept for Prometheus itself`);
  }
  if (new Set(labels).size !== labels.length) say('a label stands twice');
  if (spec.maxSeries !== undefined && !(Number.isInteger(spec.maxSeries) && spec.maxSeries > 0)) {
    say('maxSeries must be a whole number above 0');
  }
  if (spec.kind === 'histogram') {
    const problem = bucketProblem(spec.buckets);
    if (problem !== undefined) say(problem);
  }
  if (spec.scope === 'pod' && !/^[a-z][a-z0-9_]*$/.test(spec.option))
    say('option must be its name in MetricsConfiguration');
}
