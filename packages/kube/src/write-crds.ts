import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { retinaCrds } from './crds.ts';

/** One file for each definition, by name: `retina.sh_captures.yaml`. Kubernetes reads YAML 1.1. */
export function crdFiles(): Map<string, string> {
  return new Map(
    retinaCrds().map((crd) => [
      `${crd.spec.group}_${crd.spec.names.plural}.yaml`,
      `# Written by retina-crds; do not edit.\n${stringify(crd, { version: '1.1', lineWidth: 0, aliasDuplicateObjects: false })}`,
    ]),
  );
}

/** Writes {@link crdFiles} into `directory`; their paths. */
export function writeCrds(directory: string): string[] {
  mkdirSync(directory, { recursive: true });
  return [...crdFiles()].map(([name, text]) => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  });
}
