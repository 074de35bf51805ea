#!/usr/bin/env node
// A file has one subject: at most 250 lines of TypeScript, 400 of C or C++. Long tests and tables are named here, with the reason.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

const LIMITS = { ts: 250, mjs: 250, c: 400, h: 400, cpp: 400, hpp: 400 };
const TEST_LIMIT = 400;
/** @type {Record<string, string>} path -> why it may be longer */
const EXCEPTIONS = {};

const files = execFileSync('git', ['ls-files', '*.ts', '*.mjs', '*.c', '*.h', '*.cpp', '*.hpp'], { encoding: 'utf8' });
const long = files
  .split('\n')
  .filter(Boolean)
  .flatMap((file) => {
    const lines = readFileSync(file, 'utf8').split('\n').length - 1;
    const limit = /\.test\.ts$|\/test\//.test(file) ? TEST_LIMIT : LIMITS[file.split('.').pop()];
    return lines > limit && !(file in EXCEPTIONS) ? [`${file}: ${lines} lines, at most ${limit}`] : [];
  });
process.stdout.write(long.map((line) => `${line}\n`).join(''));
process.exit(long.length ? 1 : 0);
