import { importsOf } from '@retina/testkit';
import { expect, it } from 'vitest';

const libraries = async (...modules: string[]) =>
  (await importsOf(...modules.map((one) => import.meta.resolve(one)))).filter((name) =>
    /^@(azure|opentelemetry)\//.test(name),
  );

it('the libraries of Azure are loaded with the first instance, not by installing or asking the package', async () => {
  expect(await libraries('./index.ts')).toEqual([]);
  expect((await libraries('./index.ts', './flows.ts')).length).toBeGreaterThan(0);
}); // prettier-ignore
