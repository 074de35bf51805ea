import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Names } from './names.ts';
import type { Template } from './templates.ts';

const OWN = fileURLToPath(new URL('../package.json', import.meta.url));

interface PackageJson {
  readonly version: string;
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

/** The manifest of a new package. What it depends on has the versions this package was published with. */
export function packageJsonOf({ name, packageName }: Names, template: Template): Record<string, unknown> {
  const version = versions();
  const pick = (...packages: string[]) => Object.fromEntries(packages.map((one) => [one, version(one)]));
  const { kind, bpf } = template;
  return {
    name: packageName,
    version: '0.1.0',
    description: `A ${kind} of Retina: ${name}.`,
    keywords: ['retina', `retina-${kind}`],
    type: 'module',
    engines: { node: '>=22.18' },
    files: ['dist', 'README.md'],
    exports: { '.': './dist/index.js', './package.json': './package.json' },
    scripts: {
      build: `${bpf ? 'retina-bpf && ' : ''}tsup && retina-manifest`,
      typecheck: 'tsc',
      ...(bpf && { pretest: 'retina-bpf', pretypecheck: 'retina-bpf' }),
      test: 'vitest run',
      ...(bpf && { record: 'retina-bpf && RETINA_RECORD=1 vitest run src/contract.test.ts' }),
      prepack: 'npm run build',
    },
    dependencies: pick('zod'),
    peerDependencies: pick('@retina/sdk'),
    devDependencies: pick(
      ...(bpf ? ['@retina/bpf'] : []),
      ...['@retina/sdk', '@retina/testkit', '@types/node', 'tsup', 'typescript', 'vitest'],
    ),
  };
}

/** From the published manifest, where pnpm wrote ranges; in the repository, from what is installed. */
function versions(): (name: string) => string {
  const own = JSON.parse(readFileSync(OWN, 'utf8')) as PackageJson;
  const require = createRequire(OWN);
  return (name) => {
    const range = own.dependencies[name] ?? own.devDependencies[name]!;
    if (!/^(workspace|catalog):/.test(range)) return /^\d/.test(range) ? `^${range}` : range;
    const file = require.resolve.paths(name)!.map((folder) => `${folder}/${name}/package.json`);
    for (const one of file) {
      try {
        return `^${(JSON.parse(readFileSync(one, 'utf8')) as PackageJson).version}`;
      } catch {
        continue; // the next folder up
      }
    }
    return '*';
  };
}
