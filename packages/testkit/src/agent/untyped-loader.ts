import * as native from '@retina/loader';
import type { LoaderApi, ObjectSpec } from '@retina/loader';
import { RetinaError } from '@retina/sdk';

const TYPED = /^(tp_btf|fentry|fexit)\//;

/** The native loader on a kernel that refuses programs which go by its types: what plugins do then needs a test as well. */
export function untypedLoader(): LoaderApi {
  return { ...native, openObject: (file) => refusing(native.openObject(file)) };
}

function refusing(spec: ObjectSpec): ObjectSpec {
  const load: ObjectSpec['load'] = async (options) => {
    const skipped = new Set(options?.skipPrograms ?? []);
    const typed = spec.programs.filter(({ name, section }) => TYPED.test(section) && !skipped.has(name));
    if (typed.length === 0) return spec.load(options);
    throw new RetinaError('RETINA_VERIFIER_REJECTED', 'the kernel refuses programs that go by its types', {
      found: typed.map(({ name }) => name).join(', '),
    });
  };
  const { programs, maps, constants } = spec;
  return { programs, maps, constants, load, [Symbol.dispose]: () => spec[Symbol.dispose]() };
}
