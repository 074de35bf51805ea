import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { COMPONENTS_FROM } from '@retina/agent';
import { RetinaError, type Manifest } from '@retina/sdk';
import { write } from '../output.ts';
import { descriptionOf } from '../plugins/describe.ts';
import { fetchPackage, type FetchedPackage } from '../plugins/package.ts';
import { VERSION } from '../version.ts';

export interface BuildOptions {
  /** The agent's image to build on. */
  readonly base?: string;
  /** What the new image is to be called: NAME:TAG. */
  readonly image?: string;
  /** Folder to write to. */
  readonly out?: string;
}

const BASE = 'ghcr.io/retina-observability/retina-agent';
/** Where the agent's image has its packages. */
const MODULES = '/retina/node_modules';

/** `retina build PACKAGE…`: writes Dockerfile and values.yaml of an agent with these packages. Builds nothing and needs no daemon. */
export async function build(given: readonly string[], options: BuildOptions): Promise<void> {
  const { admit, installedComponents } = await import('@retina/core');
  const base = options.base ?? `${BASE}:${VERSION}`;
  const image = imageOf(options.image ?? 'retina-agent-custom:latest');
  const out = path.resolve(options.out ?? 'retina-image');
  using stack = new DisposableStack();
  // Those of the standard image: added ones, which may lie beside this command, are not in it.
  const beside: Manifest[] = installedComponents({ directory: '/', from: COMPONENTS_FROM }).flatMap((one) =>
    one.manifest && one.package.startsWith('@retina/') ? [{ ...one.manifest, package: one.package }] : [],
  );
  const packages: FetchedPackage[] = [];
  for (const spec of given) {
    const found = stack.use(await fetchPackage(spec));
    const [problem] = await admit(found.manifest, { beside, here: false });
    if (problem) throw problem;
    beside.push(found.manifest);
    packages.push(found);
  }
  mkdirSync(out, { recursive: true });
  for (const one of packages) if (one.local) copyFileSync(one.file, path.join(out, path.basename(one.file)));
  writeFileSync(path.join(out, 'Dockerfile'), dockerfile(base, packages));
  writeFileSync(path.join(out, 'values.yaml'), await values(image, packages));
  for (const { manifest } of packages) write(`${descriptionOf(manifest)}\n`);
  write(`Wrote ${path.join(out, 'Dockerfile')} and values.yaml. Next:

  docker build -t ${image.text} ${out} && docker push ${image.text}
  helm upgrade retina retina/retina --reuse-values -f ${path.join(out, 'values.yaml')}`);
}

function imageOf(text: string): { readonly text: string; readonly repository: string; readonly tag: string } {
  const [, repository, tag = 'latest'] = /^([a-z0-9][\w./:-]*?)(?::([\w.-]+))?$/i.exec(text) ?? [];
  if (repository) return { text, repository, tag };
  throw new RetinaError('RETINA_REQUEST_INVALID', 'this names no image', { found: text, needed: 'REPOSITORY:TAG' });
}

/** Dependencies stay inside each package, so that none of them takes the place of one of the agent's. */
export function dockerfile(base: string, packages: readonly FetchedPackage[]): string {
  const specs = packages.map((one) => (one.local ? `./${path.basename(one.file)}` : one.spec));
  const files = packages.filter(({ local }) => local).map((one) => path.basename(one.file));
  const copies = packages.map(({ name }) => `COPY --from=plugins /plugins/node_modules/${name} ${MODULES}/${name}`);
  return `# Written by "retina build". An agent with: ${packages.map(({ name, version }) => `${name} ${version}`).join(', ')}.
FROM node:24-slim AS plugins
WORKDIR /plugins
${files.length ? `COPY ${files.join(' ')} ./\n` : ''}RUN npm install --install-strategy=nested --omit=dev --legacy-peer-deps --ignore-scripts --no-audit --no-fund \\
    ${specs.join(' ')}

FROM ${base}
${copies.join('\n')}
`;
}

async function values(image: { readonly repository: string; readonly tag: string }, packages: readonly FetchedPackage[]) {
  const { stringify } = await import('yaml');
  const of = (kind: Manifest['kind']) => packages.filter(({ manifest }) => manifest.kind === kind);
  const empty = (all: readonly FetchedPackage[]) => Object.fromEntries(all.map(({ name }) => [name, {}]));
  const needs = of('plugin').map(({ name, manifest: { needs: { capabilities, mounts = [], hostPid = false } } }) =>
    [name, { capabilities, mounts, hostPid }] as const); // prettier-ignore
  const exporters = of('exporter');
  const document = {
    image: { repository: image.repository, tag: image.tag },
    ...(needs.length && { plugins: empty(of('plugin')), pluginNeeds: Object.fromEntries(needs) }),
    // Naming any replaces the default: Prometheus stays.
    ...(exporters.length && { exporters: { prometheus: {}, ...empty(exporters) } }),
  };
  return `# Written by "retina build": helm upgrade … -f values.yaml. Options of each go between its braces.\n${stringify(document)}`;
} // prettier-ignore
