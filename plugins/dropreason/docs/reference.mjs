// The page of drop reasons for docs/reference/, from reasons.txt. Run by tools/reference.mjs.
import { readFileSync } from 'node:fs';

/** Sections of reasons.txt: each reason with its texts. */
export function readReasons(text = readFileSync(new URL('reasons.txt', import.meta.url), 'utf8')) {
  const sections = [];
  for (const line of text.split('\n')) {
    if (line.startsWith('== ')) sections.push({ title: line.slice(3), reasons: [] });
    if (line === '' || line.startsWith('#') || line.startsWith('== ')) continue;
    const cells = line.split(' | ');
    const [, none, name, label] = /^(-?)([A-Z0-9_a-z*]+)(?:=([A-Z_]+))?$/.exec(cells[0]) ?? [];
    if (cells.length !== 4 || !name || sections.length === 0)
      throw new Error(`Expected NAME | … | … | … but found "${line}"`);
    const [, meaning, cause, cure] = cells;
    sections.at(-1).reasons.push({ name, label: label ?? name, loss: none === '', meaning, cause, cure });
  }
  return sections;
}

export default function pages() {
  const sections = readReasons().map(({ title, reasons }) => {
    const rows = reasons.map(({ name, label, meaning, cause, cure }) => {
      const shown = label === name ? `\`${name}\`` : `\`${label}\` (\`${name}\`)`;
      return `| ${shown} | ${meaning} | ${cause} | ${cure} |\n`;
    });
    return `## ${title}\n\n| reason | what it means | usual cause | what to do |\n| --- | --- | --- | --- |\n${rows.join('')}`;
  });
  return {
    'drop-reasons.md': `# Drop reasons explained

What the label \`reason\` of \`networkobservability_drop_count\` says: the kernel's own names (Linux 6.1 to 7.2), where Retina has a
name of its own that first. Names differ between kernels; before 5.17 the function that dropped stands for the reason. Those
under "No drop", and some others, are not counted unless \`countNoLoss\` is set: see the README of \`@retina/plugin-dropreason\`.

${sections.join('\n')}`,
  };
}
