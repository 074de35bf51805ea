import { describe, expect, it } from 'vitest';
import { compare, vanished } from './compare.ts';
import { type Figure, median, type Report } from './figures.ts';

const figure = (values: Partial<Figure>): Figure => ({
  id: 'x',
  title: 'x',
  value: 20,
  unit: 'ns',
  better: 'lower',
  tolerance: 1.3,
  noise: 2,
  ...values,
});
const report = (figures: Figure[], emptyNanos = 50): Report => ({
  format: 1,
  machine: { kernel: '', cpu: '', cpus: 2, node: '' },
  quick: false,
  scales: { emptyNanos, scriptMs: 10 },
  figures,
});
const verdict = (now: Report, before: Report) => compare(now, before)[0]!.verdict;

describe('compare', () => {
  it('refuses what is worse than the tolerance, and only that', () => {
    const before = report([figure({})]);
    expect(verdict(report([figure({ value: 25 })]), before)).toBe('same');
    expect(verdict(report([figure({ value: 27 })]), before)).toBe('worse');
    expect(verdict(report([figure({ value: 12 })]), before)).toBe('better');
    expect(verdict(report([figure({ id: 'y' })]), before)).toBe('new');
  });

  it('takes the speed of the machine out', () => {
    const before = report([figure({ scale: 'emptyNanos' })], 50);
    expect(verdict(report([figure({ value: 40, scale: 'emptyNanos' })], 100), before)).toBe('same');
    expect(verdict(report([figure({ value: 40, scale: 'emptyNanos' })], 50), before)).toBe('worse');
  });

  it('calls small differences noise, and knows that more may be better', () => {
    expect(verdict(report([figure({ value: 2 })]), report([figure({ value: 0.5 })]))).toBe('same');
    const rate = figure({ unit: 'ratio', better: 'higher', noise: 0, value: 0.95, tolerance: 1.05 });
    expect(verdict(report([{ ...rate, value: 0.8 }]), report([rate]))).toBe('worse');
    expect(verdict(report([{ ...rate, value: 0.93 }]), report([rate]))).toBe('same');
  });

  it('notices figures that are no longer measured', () => {
    expect(vanished(report([]), report([figure({})]))).toEqual(['x']);
    expect(median([3, 1, 2, 10])).toBe(2.5);
  });
});
