#!/usr/bin/env node
// Code in the documentation is code that runs: a block behind `<!-- code: PATH -->` is that file. `--check` compares instead.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './lib/paths.mjs';

const BLOCK = /<!-- code: (\S+) -->\n\n```(\w*)\n[\s\S]*?\n```\n/g;
const check = process.argv.includes('--check');
const pages = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], { cwd: ROOT, encoding: 'utf8' }); // prettier-ignore

let wrong = 0;
for (const page of pages.split('\n').filter((file) => file && existsSync(join(ROOT, file)))) {
  const text = readFileSync(join(ROOT, page), 'utf8');
  const wanted = text.replace(BLOCK, (_, file, language) => {
    const code = readFileSync(join(ROOT, file), 'utf8').trimEnd();
    return `<!-- code: ${file} -->\n\n\`\`\`${language}\n${code}\n\`\`\`\n`;
  });
  const marks = text.match(/<!-- code: /g)?.length ?? 0;
  const blocks = text.match(BLOCK)?.length ?? 0;
  if (marks !== blocks) {
    process.stdout.write(`${page}: ${marks - blocks} of "<!-- code: PATH -->" have no block of code behind them\n`);
    wrong++;
  }
  if (wanted === text) continue;
  if (check) {
    process.stdout.write(`${page} does not show what the files are; run: node tools/snippets.mjs\n`);
    wrong++;
  } else writeFileSync(join(ROOT, page), wanted);
}
process.exit(wrong ? 1 : 0);
