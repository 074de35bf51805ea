import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Prepared } from './prepared.ts';
import type { ClockResult, FloorResult, KernelResult, Line, PluginResult, RightsResult, Task } from './results.ts';
import { boot } from './vm.ts';

export type Told = (kernel: string, line: Line) => void;

/** Gathers what one kernel says. */
async function gather(
  name: string,
  told: Told,
  work: (line: (line: Line) => void) => Promise<void>,
): Promise<KernelResult> {
  const plugins: PluginResult[] = [];
  let release = '';
  let rights: RightsResult | undefined;
  let floor: FloorResult | undefined;
  let clock: ClockResult | undefined;
  let error: string | undefined;
  const begun = Date.now();
  try {
    await work((line) => {
      if (line.kind === 'kernel') release = line.release;
      if (line.kind === 'plugin') plugins.push(line.result);
      if (line.kind === 'rights') rights = line.result;
      if (line.kind === 'floor') floor = line.result;
      if (line.kind === 'clock') clock = line.result;
      told(name, line);
    });
  } catch (thrown) {
    error = (thrown as Error).message;
  }
  const seconds = Math.round((Date.now() - begun) / 1000);
  return { name, release, plugins, rights, floor, clock, seconds, ...(error !== undefined && { error }) };
}

/** Boots a kernel and tests it. Never throws. */
export function testKernel(prepared: Prepared, root: string, folder: string, told: Told): Promise<KernelResult> {
  return gather(prepared.kernel.name, told, (line) => boot({ prepared, root, folder, line }));
}

/** The same programs on this machine's own kernel. Needs root. */
export function testNative(task: Task, told: Told): Promise<KernelResult> {
  return gather('native', told, async (line) => {
    const folder = mkdtempSync(join(tmpdir(), 'retina-kernels-'));
    try {
      const file = join(folder, 'task.json');
      writeFileSync(file, JSON.stringify(task));
      const main = fileURLToPath(new URL('inside/main.ts', import.meta.url));
      const child = spawn(process.execPath, [main, file], { stdio: ['ignore', 'pipe', 'inherit'] });
      createInterface(child.stdout).on('line', (text) => line(JSON.parse(text) as Line));
      const code = await new Promise<number>((resolve) => child.on('close', (status) => resolve(status ?? -1)));
      if (code !== 0) throw new Error(`it ended with ${code}`);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}
