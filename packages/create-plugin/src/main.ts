#!/usr/bin/env node
import path from 'node:path';
import { parseArgs } from 'node:util';
import { RetinaError } from '@retina/sdk';
import { createPackage } from './create.ts';
import { TEMPLATES } from './templates.ts';

const templates = Object.entries(TEMPLATES).map(([name, { kind, description }]) => `  ${name.padEnd(12)}${kind.padEnd(10)}${description}`); // prettier-ignore

const USAGE = `Makes a package with a plugin or an exporter for Retina.

  npm create @retina/plugin my-probe
  npm create @retina/plugin my-sink -- --exporter
  npm create @retina/plugin @acme/my-probe -- --template tracepoint

Templates (--template NAME; default tap, with --exporter push):
${templates.join('\n')}
`;

/** Returns the exit code: 0 done, 2 the arguments are wrong. */
function main(args: readonly string[]): number {
  const { values, positionals } = parse(args);
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const [name, ...others] = positionals;
  if (name === undefined || others.length) {
    throw new RetinaError('RETINA_REQUEST_INVALID', 'one name is needed', {
      found: others.length ? positionals.join(' ') : 'none',
      needed: 'npm create @retina/plugin NAME',
      next: 'see npm create @retina/plugin -- --help',
    });
  }
  const { template, exporter } = values;
  const made = createPackage({ name, ...(template && { template }), ...(exporter && { exporter }) });
  const folder = path.relative('', made.folder) || '.';
  const bpf = TEMPLATES[made.template]!.bpf;
  process.stdout.write(`${made.packageName} in ${folder} (template ${made.template}):
${made.files.map((file) => `  ${file}`).join('\n')}

  cd ${folder} && npm install
  npm test              # ${bpf ? 'replays a recording: needs clang, no root' : 'needs no root'}
${bpf ? '  sudo npm run record   # the same on this kernel, and a recording of your own\n' : ''}  npm pack              # ${made.packageName.replace('@', '').replace('/', '-')}-0.1.0.tgz
  retina plugin add ./${made.packageName.replace('@', '').replace('/', '-')}-0.1.0.tgz
`);
  return 0;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        template: { type: 'string', short: 't' },
        exporter: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    });
  } catch (error) {
    const next = 'see npm create @retina/plugin -- --help';
    throw new RetinaError('RETINA_REQUEST_INVALID', (error as Error).message, { next, cause: error });
  }
}

try {
  process.exitCode = main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof RetinaError)) throw error;
  process.stderr.write(`create-plugin: ${error.message} (${error.code})\n`);
  process.exitCode = 2;
}
