import { createInterface } from 'node:readline/promises';

const colour = process.stderr.isTTY && !process.env.NO_COLOR;
const paint = (code, text) => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);

/** Progress goes to standard error: standard output belongs to what is started. */
export function step(text) {
  process.stderr.write(`${paint('36', '•')} ${text}\n`);
}

export function fail(text, next) {
  process.stderr.write(`${paint('31', '✗')} ${text}\n`);
  if (next) process.stderr.write(`  next: ${next}\n`);
  process.exit(1);
}

/** True without asking where nobody can answer. */
export async function confirm(question) {
  if (!process.stdin.isTTY || !process.stderr.isTTY || process.env.CI) return true;
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await prompt.question(`${question} [Y/n] `);
  prompt.close();
  return !/^n/i.test(answer.trim());
}
