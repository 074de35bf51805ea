import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Prepared } from './prepared.ts';
import type { Line } from './results.ts';

/** Longest time one kernel may take. */
const LIMIT_MS = 30 * 60_000;
/** Longest silence: a kernel or a program that hangs is not waited for. */
const SILENCE_MS = 6 * 60_000;
const MEMORY_MB = 2048;

export interface VmOptions {
  readonly prepared: Prepared;
  /** The root file system; changes to it are thrown away. */
  readonly root: string;
  /** Folder for its console's log. */
  readonly folder: string;
  readonly line: (line: Line) => void;
}

/** Boots a kernel in the emulator and passes on what is written inside, until it powers off. Throws with the end of its console. */
export async function boot({ prepared, root, folder, line }: VmOptions): Promise<void> {
  const log = join(folder, `${prepared.kernel.name}.console`);
  const drive = (file: string, more: string) => ['-drive', `file=${file},format=raw,if=virtio,${more}`];
  const child = spawn('qemu-system-x86_64', [
    ...['-accel', 'tcg,thread=multi', '-cpu', 'max', '-smp', '2', '-m', String(MEMORY_MB)],
    ...['-nodefaults', '-no-reboot', '-display', 'none', '-nic', 'none'],
    ...['-kernel', prepared.image, '-initrd', prepared.initrd],
    ...['-append', 'console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off'],
    ...['-serial', `file:${log}`, '-serial', 'stdio'],
    ...drive(root, 'snapshot=on'),
    ...drive(prepared.modules, 'readonly=on'),
  ]);
  let why: string | undefined;
  const end = (reason: string) => {
    why ??= reason;
    child.kill('SIGKILL');
  };
  const limit = setTimeout(() => end(`it took longer than ${LIMIT_MS / 60_000} minutes`), LIMIT_MS);
  let silence = setTimeout(() => undefined, 0);
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(() => end(`it said nothing for ${SILENCE_MS / 60_000} minutes`), SILENCE_MS);
  };
  heard();
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  let ended = false;
  createInterface(child.stdout).on('line', (text) => {
    heard();
    if (!text.startsWith('{')) return;
    const parsed = JSON.parse(text) as Line;
    ended ||= parsed.kind === 'end';
    line(parsed);
  });
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (status) => resolve(status ?? -1));
  });
  clearTimeout(limit);
  clearTimeout(silence);
  if (why === undefined && ended && code === 0) return;
  const tail = readFileSync(log, 'utf8').slice(-3000);
  throw new Error(`${why ?? `it ended with ${code} before its tests did`}\n${errors}${tail}`);
}
