import { basename } from 'node:path';
import { type ObjectSpec, openObject } from '@retina/loader';
import type { ProgramResult } from '../results.ts';

/** Loads every program of an object by itself, and says what the kernel made of it. */
export async function loadEach(file: string): Promise<ProgramResult[]> {
  using spec = openObject(file);
  const results: ProgramResult[] = [];
  for (const { name, section } of spec.programs) {
    const about = { name: `${basename(file, '.bpf.o')}/${name}`, section };
    results.push({ ...about, ...(await loadOne(spec, name)) });
  }
  return results;
}

async function loadOne(spec: ObjectSpec, name: string): Promise<Partial<ProgramResult>> {
  const skipPrograms = spec.programs.filter((other) => other.name !== name).map((other) => other.name);
  try {
    using object = await spec.load({ skipPrograms });
    const { instructions, jitedBytes, verifiedInstructions } = object.program(name).verified;
    return {
      xlated: instructions,
      jited: jitedBytes,
      // 0 where the kernel does not say: before 5.16
      ...(verifiedInstructions > 0 && { verified: verifiedInstructions }),
    };
  } catch (error) {
    return { refused: String((error as Error).message).split('\n')[0]! };
  }
}
