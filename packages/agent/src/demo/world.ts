import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { RetinaError, type Logger } from '@retina/sdk';
import { claimDemo, DEMO_CLAIM, releaseDemo } from './claim.ts';
import { run } from './command.ts';
import { DEMO_PODS, DEMO_TABLE, forwardingRules, identityDocument, linkCommands, serverRules } from './plan.ts';

const IDENTITY_FILE = '/run/retina/demo-identity.yaml';

export interface DemoWorld extends AsyncDisposable {
  /** Identity file that names the pods. */
  readonly identityFile: string;
  /** Starts the pods' processes: the traffic begins. */
  startTraffic(): void;
}

/**
 * Makes the namespaces, links and rules of the demonstration. Throws RETINA_DEMO_FAILED, having removed what it had made.
 * A world that a killed agent left is removed first; one that belongs to a living agent is an error.
 */
export async function createDemoWorld(log: Logger): Promise<DemoWorld> {
  const owner = await claimDemo().catch((error: NodeJS.ErrnoException) => {
    throw new RetinaError('RETINA_DEMO_FAILED', 'The demonstration makes network namespaces, which takes root', {
      found: `${error.code ?? 'a failure'} at ${DEMO_CLAIM}`,
      needed: 'root, with CAP_SYS_ADMIN and CAP_NET_ADMIN',
      next: 'start as root, or without --demo',
      cause: error,
    });
  });
  if (owner !== process.pid) {
    throw new RetinaError('RETINA_DEMO_FAILED', 'Another agent runs the demonstration on this host', {
      found: `pid ${owner}`,
      next: `stop it (kill ${owner}), or start this agent without --demo`,
    });
  }
  const children: ChildProcess[] = [];
  const close = async () => {
    await endChildren(children);
    await removeWorld();
    await releaseDemo();
  };
  try {
    await removeWorld(); // what an agent that was killed may have left
    await writeFile(IDENTITY_FILE, identityDocument(hostname()));
    for (const pod of DEMO_PODS) {
      const commands = linkCommands(pod);
      await run('ip', ['netns', 'add', pod.netns]);
      await run('ip', ['-batch', '-'], commands.host);
      await run('ip', ['-n', pod.netns, '-batch', '-'], commands.inside);
    }
    // As arguments: nft 1.0.9 (Ubuntu 24.04) reads no rules from a socket, which is what standard input is to it here.
    await run('nft', [forwardingRules()]);
    await run('ip', ['netns', 'exec', 'retina-demo-server', 'nft', serverRules()]);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    identityFile: IDENTITY_FILE,
    startTraffic: () => {
      for (const { role, netns } of DEMO_PODS) children.push(startPod(role, netns, log));
    },
    [Symbol.asyncDispose]: close,
  };
}

/** Removes what an agent that was killed left of its demonstration, if this user may. Says whether it did. */
export async function removeDemoLeftovers(): Promise<boolean> {
  if (!existsSync(DEMO_CLAIM) || (await claimDemo().catch(() => 0)) !== process.pid) return false;
  await removeWorld();
  await releaseDemo();
  return true;
}

function startPod(role: string, netns: string, log: Logger): ChildProcess {
  const here = import.meta.url;
  const script = fileURLToPath(new URL(here.endsWith('.ts') ? './child.ts' : './demo-child.js', here));
  const node = [process.execPath, '--max-old-space-size=48', '--max-semi-space-size=1', script, role];
  const child = spawn('ip', ['netns', 'exec', netns, ...node], { stdio: ['pipe', 'ignore', 'pipe'] });
  child.stderr.setEncoding('utf8').on('data', (text: string) => log.warn('demo pod', { pod: role, text: text.trim() }));
  child.on('error', (error) => log.error('demo pod did not start', { pod: role, error: error.message }));
  child.on('exit', (code) => {
    if (code) log.warn('demo pod ended', { pod: role, code });
  });
  child.stdin.on('error', () => {}); // it went first
  return child;
}

async function endChildren(children: readonly ChildProcess[]): Promise<void> {
  const ended = children.map((child) => {
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return Promise.resolve();
    return new Promise<void>((resolve) => {
      const kill = setTimeout(() => child.kill('SIGKILL'), 1000);
      child.once('exit', () => {
        clearTimeout(kill);
        resolve();
      });
      child.stdin?.end();
    });
  });
  await Promise.all(ended);
}

/** Everything of ours is recognised by its exact name; what is not there is no error. */
async function removeWorld(): Promise<void> {
  await run('nft', ['delete', 'table', 'netdev', DEMO_TABLE]).catch(() => {});
  for (const pod of DEMO_PODS) {
    const pids = await run('ip', ['netns', 'pids', pod.netns]).catch(() => '');
    for (const pid of pids.split('\n').filter(Boolean)) tryKill(Number(pid));
    await run('ip', ['link', 'del', pod.link]).catch(() => {});
    await run('ip', ['netns', 'del', pod.netns]).catch(() => {});
  }
  await rm(IDENTITY_FILE, { force: true });
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}
