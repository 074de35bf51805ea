// A reporter of vitest's beside its JSON one, which leaves out the errors that belong to no test: they go to REPORT.strays.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export default class StraysReport {
  #file;

  onInit(vitest) {
    const { outputFile } = vitest.config;
    this.#file = straysOf(typeof outputFile === 'string' ? outputFile : outputFile.json);
  }

  onTestRunEnd(_modules, errors) {
    // the file that was running, if it is known, and the first line of what was thrown
    const strays = errors.map(({ VITEST_TEST_PATH: path, name, message }) => ({
      path,
      why: `${name ?? 'Error'}: ${message ?? ''}`.split('\n')[0],
    }));
    writeFileSync(this.#file, JSON.stringify(strays));
  }
}

export const straysOf = (report) => `${report}.strays`;

/** Command-line options of vitest for figures in `report` and what belongs to no test beside them. */
export function reporters(report) {
  return [
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${report}`,
    `--reporter=${fileURLToPath(import.meta.url)}`,
  ];
}
