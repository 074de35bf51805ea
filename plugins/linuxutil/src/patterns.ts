/** Whether a name fits one of the patterns, in which * stands for any characters and ? for one. */
export function matcher(patterns: readonly string[]): (name: string) => boolean {
  const expressions = patterns.map((pattern) => {
    const text = pattern
      .replace(/\*+/g, '*') // several say no more than one, and cost more
      .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.');
    return new RegExp(`^${text}$`, 's');
  });
  return (name) => expressions.some((expression) => expression.test(name));
}
