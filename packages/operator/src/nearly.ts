/** Whether `b` is `a` but for separators or for one letter more, less or other: what somebody may have meant. */
export function nearly(a: string, b: string): boolean {
  if (a.replaceAll('_', '') === b.replaceAll(/[_-]/g, '')) return true;
  if (Math.abs(a.length - b.length) > 1) return false;
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  return a.slice(i + 1) === b.slice(i + 1) || a.slice(i + 1) === b.slice(i) || a.slice(i) === b.slice(i + 1);
}
