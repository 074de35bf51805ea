import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Where the demonstration leaves a note of its owner: its names belong to the whole host, so there can be only one. */
export const DEMO_CLAIM = '/run/retina/demo.json';

interface Claim {
  readonly pid: number;
  /** Field 22 of /proc/PID/stat: tells a living owner from a stranger with its number. */
  readonly started: string;
}

/**
 * Claims the demonstration for this process, also from an owner that is dead. Returns the pid of the owner, which is this
 * process's own or that of another, living one. Of several that try at once exactly one succeeds.
 */
export async function claimDemo(): Promise<number> {
  await mkdir(dirname(DEMO_CLAIM), { recursive: true, mode: 0o750 });
  const own = `${DEMO_CLAIM}.${process.pid}`;
  const claim: Claim = { pid: process.pid, started: (await startTime(process.pid)) ?? '' };
  await writeFile(own, JSON.stringify(claim));
  try {
    for (;;) {
      // A link appears whole or not at all, and never in the place of another.
      if (await done(link(own, DEMO_CLAIM), 'EEXIST')) return process.pid;
      const owner = await livingOwner();
      if (owner !== undefined) return owner;
      await done(rename(DEMO_CLAIM, `${own}.dead`), 'ENOENT');
    }
  } finally {
    await rm(own, { force: true });
    await rm(`${own}.dead`, { force: true });
  }
}

export async function releaseDemo(): Promise<void> {
  await rm(DEMO_CLAIM, { force: true });
}

/** Whether it succeeded; false for the one failure that is expected. */
async function done(step: Promise<void>, expected: string): Promise<boolean> {
  try {
    await step;
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === expected) return false;
    throw error;
  }
}

async function livingOwner(): Promise<number | undefined> {
  try {
    const { pid, started } = JSON.parse(await readFile(DEMO_CLAIM, 'utf8')) as Claim;
    return (await startTime(pid)) === started ? pid : undefined;
  } catch {
    return undefined; // gone, or not written by us
  }
}

async function startTime(pid: number): Promise<string | undefined> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19]; // a zombie has ended
  } catch {
    return undefined;
  }
}
