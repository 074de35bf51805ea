// The layers of npm test: each is run, shown, counted; what fails is tried once more, alone, and both are named at the end.
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { ROOT } from './paths.mjs';
import { run } from './run.mjs';
import { step } from './say.mjs';
import { straysOf } from './strays-report.mjs';

/** More than that is no accident of the machine: it is broken, and a second look costs time. */
const FILES_TRIED_AGAIN = 6;

export class Layers {
  total = { passed: 0, failed: 0, skipped: 0 };
  #env;
  #again;
  #failed = [];
  #flaky = [];

  /** `again`: whether files that failed are run a second time, which counts then. */
  constructor(env, { again }) {
    this.#env = env;
    this.#again = again;
  }

  /** Runs a layer of vitest's. `command(files, report)` is the command line for those files, all of them if there are none. */
  async vitest(title, name, command) {
    step(`Layer: ${title}`);
    const first = await this.#files(name, command([], reportOf(name)));
    if (!first) return;
    const broken = [...first.values()].filter(({ failures }) => failures.length > 0);
    if (this.#again && broken.length > 0 && broken.length <= FILES_TRIED_AGAIN) {
      const paths = broken.map(({ path }) => path);
      step(`Once more, alone: ${paths.join(', ')}`);
      const second = await this.#files(`${name}-again`, command(paths, reportOf(`${name}-again`)));
      for (const { path, failures } of broken) {
        const now = second?.get(path);
        if (!now) continue;
        first.set(path, now);
        const still = new Set(now.failures.map(({ test }) => test));
        this.#flaky.push(
          ...lines(
            path,
            failures.filter(({ test }) => !still.has(test)),
          ),
        );
      }
    }
    for (const file of first.values()) {
      this.#add(file.counts);
      this.#failed.push(...lines(file.path, file.failures));
    }
  }

  /** Runs a layer whose report `read` turns into counts. */
  async other(title, name, [command, args], read) {
    step(`Layer: ${title}`);
    rmSync(reportOf(name), { force: true });
    const code = await run(command, args, { cwd: ROOT, env: this.#env, show: true });
    const counts = this.#read(name, read) ?? { passed: 0, failed: 0, skipped: 0 };
    if (code !== 0 && counts.failed === 0) counts.failed = 1;
    this.#add(counts);
    if (counts.failed > 0) this.#failed.push(`${title}: ${counts.failed}, see above`);
  }

  /** Counts something that went wrong outside of any test. */
  fail(message, count = 1) {
    process.stderr.write(`${message}\n`);
    this.#failed.push(message);
    this.total.failed += count;
  }

  /** Names what failed, and ends with the one line of figures. Returns the exit code. */
  end() {
    list('Failed at first, passed when tried again', this.#flaky);
    list('Failed', this.#failed);
    const { passed, failed, skipped } = this.total;
    process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
    return failed > 0 ? 1 : 0;
  }

  /** Results by file, undefined if there is no report. */
  async #files(name, [command, args]) {
    for (const file of [reportOf(name), straysOf(reportOf(name))]) rmSync(file, { force: true });
    const code = await run(command, args, { cwd: ROOT, env: this.#env, show: true });
    const files = this.#read(name, vitestFiles);
    const strays = files ? this.#strays(name, files) : 0;
    const failures = files && [...files.values()].some((file) => file.failures.length > 0);
    if (!files || (code !== 0 && !failures && !strays)) this.fail(`${name}: ended with ${code}, and no test says why.`);
    return files;
  }

  /** Errors outside of any test are failures of the file that was running; where nobody knows it, of the layer. */
  #strays(name, files) {
    const file = straysOf(reportOf(name));
    const strays = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : []; // a run that was cut short left none
    for (const { path, why } of strays) {
      const running = files.get(path && relative(ROOT, path));
      if (!running) {
        this.fail(`${name}: outside of any test: ${why}`);
        continue;
      }
      running.counts.failed += 1;
      running.failures.push({ test: 'outside of its tests', why });
    }
    return strays.length;
  }

  #read(name, read) {
    try {
      return read(readFileSync(reportOf(name), 'utf8'));
    } catch (error) {
      process.stderr.write(`The layer left no report: ${error.message}\n`);
      return undefined;
    }
  }

  #add(counts) {
    for (const key of Object.keys(this.total)) this.total[key] += counts[key];
  }
}

/** Where a layer's report is written. */
export function reportOf(name) {
  const dir = join(ROOT, '.retina', 'reports');
  mkdirSync(dir, { recursive: true });
  return join(dir, `${name}.out`);
}

function lines(path, failures) {
  return failures.map(({ test, why }) => `${path}: ${test}: ${why}`);
}

function list(title, lines) {
  if (lines.length > 0) process.stdout.write(`${title}:\n${lines.map((line) => `  ${line}\n`).join('')}`);
}

function vitestFiles(text) {
  const files = new Map();
  for (const { name, status, message, assertionResults: tests } of JSON.parse(text).testResults) {
    const path = relative(ROOT, name);
    const of = (...states) => tests.filter((test) => states.includes(test.status)).length;
    const counts = { passed: of('passed'), failed: of('failed'), skipped: of('pending', 'skipped', 'todo') };
    const failures = tests
      .filter((test) => test.status === 'failed')
      .map(({ fullName, failureMessages: [why = ''] }) => ({ test: fullName, why: why.split('\n')[0] }));
    // A file that fails to load has no failed test in it, and neither has one that fails in a hook.
    if (status === 'failed' && failures.length === 0) {
      counts.failed += 1;
      failures.push({ test: 'the file itself', why: (message ?? '').split('\n')[0] });
    }
    files.set(path, { path, counts, failures });
  }
  return files;
}
