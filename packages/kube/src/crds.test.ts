import { readdirSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { crdFiles } from './write-crds.ts';

it('crds/ holds what retina-crds writes', () => {
  const directory = new URL('../crds/', import.meta.url);
  const stored = readdirSync(directory).map((name) => [name, readFileSync(new URL(name, directory), 'utf8')] as const);
  expect(Object.fromEntries(stored)).toEqual(Object.fromEntries(crdFiles()));
});
