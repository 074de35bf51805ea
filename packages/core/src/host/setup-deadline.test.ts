import { setTimeout as sleep } from 'node:timers/promises';
import type { RetinaError } from '@retina/sdk';
import { expect, test } from 'vitest';
import { memoryLogger } from './testing.ts';
import { HostScope } from './scope.ts';
import { withDeadline } from './setup-deadline.ts';
import type { Guard } from './guard.ts';

const scope = () => new HostScope(memoryLogger(), {} as Guard, () => ({ [Symbol.dispose]: () => undefined }));

test('the kernel may take its time, however long; the component may not', async () => {
  const patient = scope();
  const slowKernel = async () => void (await patient.kernelWorks(sleep(120)));
  await expect(withDeadline(patient, 'x', 20, slowKernel())).resolves.toBeUndefined();

  const failing = scope();
  const refused = failing.kernelWorks(sleep(50).then(() => Promise.reject(new Error('refused'))));
  await expect(withDeadline(failing, 'x', 20, refused)).rejects.toThrow('refused');

  const hanging = scope();
  const setup = hanging.kernelWorks(sleep(50)).then(() => new Promise<void>(() => undefined));
  const given = await withDeadline(hanging, 'x', 20, setup).catch((error: unknown) => error as RetinaError);
  expect(given).toMatchObject({ code: 'RETINA_SETUP_TIMEOUT' });
});
