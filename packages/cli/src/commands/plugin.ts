import { existsSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';
import { COMPONENTS_FROM } from '@retina/agent';
import { RetinaError } from '@retina/sdk';
import { EXIT } from '../exit.ts';
import { tableText, write, writeDocument, type Format, type OutputColumn } from '../output.ts';
import { descriptionOf, needsText, plain } from '../plugins/describe.ts';
import { tool } from '../plugins/npm.ts';
import { fetchPackage } from '../plugins/package.ts';

export interface PluginAddOptions {
  /** Folder to install into; default the one the agent is installed in. */
  readonly into?: string;
  /** Consent, given beforehand. */
  readonly yes?: boolean;
  /** It will run on other nodes: do not ask what this one offers. */
  readonly anyNode?: boolean;
}

/** `retina plugin add PACKAGE`: checks, shows what it asks for, asks, installs. Nothing of the package runs meanwhile. Returns the exit code. */
export async function pluginAdd(given: string, options: PluginAddOptions): Promise<number> {
  const { admit, installedComponents } = await import('@retina/core');
  const into = path.resolve(options.into ?? besideAgent());
  using found = await fetchPackage(given);
  const { manifest } = found;
  const installed = installedComponents({ directory: into, from: COMPONENTS_FROM });
  const beside = installed.flatMap((one) => (one.manifest ? [{ ...one.manifest, package: one.package }] : []));
  const problems = await admit(manifest, { beside, here: !options.anyNode });
  write(descriptionOf(manifest));
  const [first, ...others] = problems;
  if (first) {
    for (const { message, code } of others) process.stderr.write(`also: ${plain(message)} (${code})\n`);
    throw first;
  }
  if (!options.yes && !(await consent(`Install it into ${into}? [y/N] `))) {
    write('Not installed.');
    return EXIT.failed;
  }
  await install(found.spec, into);
  const key = JSON.stringify(found.name);
  write(`Installed ${found.name} ${found.version} in ${into}. To run it, add to the configuration:\n`);
  write(`${manifest.kind}s:\n  ${key}: {}`);
  return EXIT.ok;
}

/** The folder whose node_modules the agent lies in; of a checkout, the working directory, which configurations are looked up from. */
function besideAgent(): string {
  const file = fileURLToPath(COMPONENTS_FROM);
  const at = file.indexOf(`${path.sep}node_modules${path.sep}`);
  return at > 0 ? file.slice(0, at) : '.';
}

async function consent(question: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new RetinaError('RETINA_REQUEST_INVALID', 'somebody must consent', {
      found: 'standard input is no terminal',
      needed: 'a yes to what is shown above',
      next: 'run it in a terminal, or add --yes',
    });
  }
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim());
  } finally {
    terminal.close();
  }
}

async function install(spec: string, into: string): Promise<void> {
  if (!existsSync(into)) {
    throw new RetinaError('RETINA_REQUEST_INVALID', 'there is no such folder', { found: into, next: 'correct --into' });
  }
  const args = ['install', '--prefix', into, '--ignore-scripts', '--no-audit', '--no-fund', '--save-exact', '--', spec];
  await tool('npm', args, (found) => new RetinaError('RETINA_PLUGIN_INVALID', `npm could not install ${spec}`, {
    found,
    next: `see "npm install --prefix ${into} ${spec}"`,
  })); // prettier-ignore
}

interface Row {
  readonly kind: string;
  readonly name: string;
  readonly package: string;
  readonly version: string;
  readonly api: number | undefined;
  readonly stability: string;
  readonly needs: string;
  readonly problem: string;
  readonly folder: string;
}

/** `retina plugin list`: what the agent would find, built in or added. */
export async function pluginList({ output = 'table', into }: { readonly output?: Format; readonly into?: string }): Promise<void> {
  const { installedComponents } = await import('@retina/core');
  const rows = installedComponents({ ...(into && { directory: into }), from: COMPONENTS_FROM }).map(
    ({ package: name, version, folder, manifest, problem }): Row => ({
      kind: manifest?.kind ?? '',
      name: manifest?.name ?? '',
      package: name,
      version,
      api: manifest?.api,
      stability: manifest?.stability ?? '',
      needs: manifest ? needsText(manifest) : '',
      problem: problem ? `${problem.code}: ${plain(problem.found ?? problem.summary)}` : '',
      folder,
    }),
  );
  if (output === 'json' || output === 'yaml') return writeDocument(rows, output);
  write(tableText(COLUMNS, rows, output));
} // prettier-ignore

const COLUMNS: readonly OutputColumn<Row>[] = [
  { title: 'KIND', value: (row) => row.kind },
  { title: 'NAME', value: (row) => row.name },
  { title: 'PACKAGE', value: (row) => row.package },
  { title: 'VERSION', value: (row) => row.version },
  { title: 'API', value: (row) => String(row.api ?? ''), wide: true },
  { title: 'STABILITY', value: (row) => row.stability, wide: true },
  { title: 'NEEDS', value: (row) => row.needs, shrinkTo: 12 },
  { title: 'FOLDER', value: (row) => row.folder, wide: true },
  { title: 'PROBLEM', value: (row) => row.problem, shrinkTo: 10 },
];
