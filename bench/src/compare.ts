import type { Figure, Report, Scales } from './figures.ts';

export interface Comparison {
  readonly id: string;
  /** How much worse than the baseline, scales taken out: above 1 is worse. */
  readonly ratio: number;
  readonly verdict: 'same' | 'better' | 'worse' | 'new';
}

/** Each figure of a run against the same figure of the baseline. A figure the baseline lacks is `new`. */
export function compare(run: Report, baseline: Report): readonly Comparison[] {
  const known = new Map(baseline.figures.map((figure) => [figure.id, figure]));
  return run.figures.map((figure) => {
    const before = known.get(figure.id);
    if (!before) return { id: figure.id, ratio: 1, verdict: 'new' };
    const speed = relativeSpeed(figure, run.scales, baseline.scales);
    // What the baseline's machine would have shown at the speed of this one.
    const expected = before.value * speed;
    const [worse, good] = figure.better === 'lower' ? [figure.value, expected] : [expected, figure.value];
    const ratio = good > 0 ? worse / good : worse > 0 ? Infinity : 1;
    if (Math.abs(figure.value - expected) <= figure.noise) return { id: figure.id, ratio, verdict: 'same' };
    const verdict = ratio > figure.tolerance ? 'worse' : ratio < 1 / figure.tolerance ? 'better' : 'same';
    return { id: figure.id, ratio, verdict };
  });
}

/** Figures the baseline has and the run has not: a measurement that vanished is a regression too. */
export function vanished(run: Report, baseline: Report): readonly string[] {
  const have = new Set(run.figures.map(({ id }) => id));
  return baseline.figures.filter(({ id }) => !have.has(id)).map(({ id }) => id);
}

function relativeSpeed(figure: Figure, run: Scales, baseline: Scales): number {
  return figure.scale ? run[figure.scale] / baseline[figure.scale] : 1;
}
