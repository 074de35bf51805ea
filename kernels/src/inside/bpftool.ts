import { heldBpf, run } from '@retina/testkit/kernels';

interface Program {
  readonly id: number;
  readonly name: string;
  readonly bytes_xlated: number;
  readonly bytes_jited?: number;
}

/** Programs in the kernel by id, as bpftool tells of them. */
export async function kernelPrograms(): Promise<ReadonlyMap<number, Program>> {
  const { stdout } = await run('bpftool', ['-j', 'prog', 'show']);
  return new Map((JSON.parse(stdout) as Program[]).map((program) => [program.id, program]));
}

/** Names of the programs that links of a process hold. */
export async function linkedPrograms(pid: number): Promise<readonly string[]> {
  const programs = await kernelPrograms();
  return heldBpf(pid).links.flatMap(({ program }) => programs.get(program)?.name ?? []);
}
