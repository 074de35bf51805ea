import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { type ObjectSpec, openObject } from '@retina/loader';
import type { ProgramResult } from '../results.ts';
import { kernelPrograms } from './bpftool.ts';

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
    const { id, fd } = object.program(name);
    const program = (await kernelPrograms()).get(id);
    const verified = /^verified_insns:\s+(\d+)/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'))?.[1];
    return {
      xlated: (program?.bytes_xlated ?? 0) / 8,
      jited: program?.bytes_jited ?? 0,
      ...(verified !== undefined && { verified: Number(verified) }),
    };
  } catch (error) {
    return { refused: String((error as Error).message).split('\n')[0]! };
  }
}
