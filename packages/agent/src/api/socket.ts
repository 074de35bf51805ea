import { accessSync, constants, existsSync, mkdirSync, rmSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { RetinaError } from '@retina/sdk';

export const SYSTEM_SOCKET = '/run/retina/agent.sock';

/** Where sockets may be, the system's first: root's agent serves there, anybody else's under their own run-time directory. */
export function socketCandidates(env: NodeJS.ProcessEnv = process.env): readonly string[] {
  const own = env['XDG_RUNTIME_DIR'] || join(tmpdir(), `retina-${userInfo().uid}`);
  return [SYSTEM_SOCKET, join(own, 'retina', 'agent.sock')];
}

/** Where an agent of this process's rights serves. */
export function defaultSocket(env: NodeJS.ProcessEnv = process.env): string {
  const [system, own] = socketCandidates(env) as [string, string];
  for (const directory of [dirname(system), dirname(dirname(system))]) {
    if (!existsSync(directory)) continue;
    try {
      accessSync(directory, constants.W_OK);
      return system;
    } catch {
      return own;
    }
  }
  return own;
}

/**
 * Binds `server` to the socket `path`, mode 0660. A socket whose agent is dead is replaced; one that answers is left alone:
 * RETINA_LISTEN_FAILED, so that a second agent on a host says what it found instead of taking the first one's place.
 */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o750 });
    try {
      await listen(server, path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      await refuseIfAlive(path);
      rmSync(path, { force: true });
      await listen(server, path);
    }
  } catch (error) {
    throw RetinaError.from(error, 'RETINA_LISTEN_FAILED', `The local API cannot be served on ${path}`);
  }
}

/** Throws RETINA_LISTEN_FAILED if an agent answers on the socket. */
export async function refuseIfAlive(path: string): Promise<void> {
  if (!(await answers(path))) return;
  throw new RetinaError('RETINA_LISTEN_FAILED', 'Another agent is running here', {
    found: `${path} answers`,
    next: 'stop that agent, or give this one its own --socket and its own port in the configuration',
  });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error) => reject(error);
    server.once('error', failed);
    // The socket must never exist with wider rights, not even for a moment; binding happens within the call.
    const previous = process.umask(0o117);
    try {
      server.listen(path, () => {
        server.off('error', failed);
        resolve();
      });
    } finally {
      process.umask(previous);
    }
  });
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    const end = (alive: boolean) => {
      socket.destroy();
      resolve(alive);
    };
    socket.setTimeout(1000, () => end(true)); // it accepts, if slowly
    socket.on('connect', () => end(true)).on('error', () => end(false));
  });
}
