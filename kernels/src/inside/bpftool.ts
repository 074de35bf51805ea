import { heldBpf, run } from '@retina/testkit/kernels';

/** Names of the programs that links of a process hold. */
export async function linkedPrograms(pid: number): Promise<readonly string[]> {
  const { stdout } = await run('bpftool', ['-j', 'prog', 'show']);
  const programs = new Map((JSON.parse(stdout) as { id: number; name?: string }[]).map(({ id, name }) => [id, name]));
  return heldBpf(pid).links.flatMap(({ program }) => programs.get(program) ?? []);
}
