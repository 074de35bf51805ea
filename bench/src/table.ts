import type { Comparison } from './compare.ts';
import { type Figure, type Report, withinBudget } from './figures.ts';

/** The figures as a table for people: value, budget, what the baseline says. */
export function table(report: Report, comparisons: readonly Comparison[]): string {
  const compared = new Map(comparisons.map((comparison) => [comparison.id, comparison]));
  const rows = report.figures.map((figure) => {
    const within = withinBudget(figure);
    const comparison = compared.get(figure.id);
    return [
      figure.title,
      amount(figure),
      figure.budget === undefined ? '' : `${within ? '' : 'MISSED '}${figure.budget}`,
      comparison === undefined || comparison.verdict === 'new'
        ? ''
        : `${comparison.ratio.toFixed(2)} ${comparison.verdict}`,
      figure.note ?? '',
    ];
  });
  const head = ['figure', 'value', 'budget', 'against baseline', ''];
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => row[i]!.length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (i === 1 ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd();
  return [line(head), ...rows.map(line)].join('\n');
}

function amount(figure: Figure): string {
  const digits = figure.unit === 'ratio' ? 3 : figure.value >= 100 ? 0 : figure.value >= 10 ? 1 : 2;
  return `${figure.value.toFixed(digits)}${figure.unit === 'ratio' ? '' : ` ${figure.unit}`}`;
}
