import type { KernelFeatures } from '@retina/sdk';
import { type KernelChecks, KernelRun, NodeWorld, PluginHost, run, World } from '@retina/testkit/kernels';
import type { PluginResult, PluginTask, ProgramResult } from '../results.ts';
import { linkedPrograms } from './bpftool.ts';
import { loadEach } from './programs.ts';

/** Longest error message kept: some end with a whole log. */
const MESSAGE = 2000;

type Writable<T> = { -readonly [K in keyof T]: T[K] };

/** Everything that is asked of one plugin on this kernel. Never throws: what goes wrong is its result. */
export async function testPlugin(task: PluginTask, kernel: KernelFeatures): Promise<PluginResult> {
  const begun = Date.now();
  const result: Writable<PluginResult> = { name: task.name, programs: [], state: 'failed', causes: [], hooks: {}, findings: [], seconds: 0 }; // prettier-ignore
  try {
    const checks = task.checks ? ((await import(task.checks)) as { default: KernelChecks }).default : undefined;
    // natively there may be none to load
    for (const module of checks?.modules ?? []) await run('modprobe', [module], { mayFail: true });
    result.programs = (await Promise.all(task.objects.map(loadEach))).flat();
    await runChecks(task, checks, kernel, result);
  } catch (error) {
    result.error = (error instanceof Error ? error.message : String(error)).slice(0, MESSAGE);
  }
  result.seconds = Math.round((Date.now() - begun) / 100) / 10;
  return result;
}

async function runChecks(
  task: PluginTask,
  checks: KernelChecks | undefined,
  kernel: KernelFeatures,
  result: Writable<PluginResult>,
): Promise<void> {
  await using world = await World.create('kernels');
  const net = await NodeWorld.create(world, checks?.pods ?? ['a', 'b']);
  await checks?.prepare?.(net);
  await using host = await PluginHost.start({
    in: net.node,
    plugins: [[new URL(task.module), checks?.options ?? {}]],
    config: checks?.config ?? {},
    degraded: true,
  });
  const run = new KernelRun(net, host, kernel);
  result.hooks = await hooks(host, result.programs);
  try {
    await checks?.check(run);
  } finally {
    result.findings = run.findings;
    const own = (await host.health()).components.find(({ name }) => name === task.name);
    result.state = own?.state ?? 'absent';
    result.causes = (own?.causes ?? []).map(({ code, message }) => `${code}: ${message}`);
  }
}

/** How each hook of the plugin's programs is attached now: by the taps' own word, and by the links the process holds. */
async function hooks(host: PluginHost, programs: readonly ProgramResult[]): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  const linked = await linkedPrograms(host.running.pid);
  for (const { name, section } of programs) {
    const [kind = '', target] = section.split('/');
    if (target === undefined) {
      if (kind !== 'tc') continue; // nothing of its own on a hook
      const modes = new Set((await host.taps()).map(({ mode }) => mode));
      found['taps'] = [...modes].join(' and ') || 'none';
      continue;
    }
    const own = name.split('/')[1]!;
    // the kernel itself keeps 15 characters
    if (linked.some((one) => one === own || (one.length === 15 && own.startsWith(one)))) found[target] = kind;
    else found[target] ??= 'none';
  }
  return found;
}
