import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pluginContract, runPlugin } from '@retina/testkit';
import { afterAll, expect, it, vi } from 'vitest';
import plugin from './watch-socket.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'retina-socket-'));
const socket = path.join(folder, 'events.sock');
afterAll(() => rmSync(folder, { recursive: true }));

/** A daemon that says something to whoever connects, and does not hang up. */
async function daemon(at: string, ...said: string[]): Promise<{ end(): Promise<void> }> {
  const connected = new Set<Socket>();
  const server = createServer((one) => {
    connected.add(one.on('error', () => undefined));
    for (const text of said) one.write(text);
  });
  await new Promise<void>((done) => void server.listen(at, done));
  return {
    async end() {
      for (const one of connected) one.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

// The contract's runs connect to a daemon that says nothing.
const quiet = path.join(folder, 'quiet.sock');
const silent = await daemon(quiet);
afterAll(() => silent.end());

pluginContract(plugin, {
  module: import.meta.resolve('./watch-socket.ts'),
  options: { socket: quiet, retrySeconds: 0.1 },
  refused: [{ socket: '' }, { retrySeconds: 0 }],
});

it('counts events and what is none, and goes on when the daemon goes and comes', async () => {
  const long = 'x'.repeat(100_000);
  const first = await daemon(socket, '{"event":"started"}\n{"eve', 'nt":"leader"}\n', `{"event":"a\\nb"}\nnonsense\n${long}`, `${long}\n{"event":"leader"}\n`); // prettier-ignore
  await using running = await runPlugin(plugin, { socket, retrySeconds: 0.1 });
  await vi.waitFor(() => {
    const { metrics } = running;
    expect(metrics.by('event', 'networkobservability_socket_events_total')).toEqual({ started: 1, leader: 2 });
    expect(metrics.by('cause', 'networkobservability_socket_bad_lines_total')).toEqual({ no_event: 2, too_long: 1 });
    expect(running.health.state).toBe('running');
  }, 5000);
  await first.end();
  await vi.waitFor(() => expect(running.health.causes[0]?.code).toBe('RETINA_SOURCE_UNREACHABLE'), 5000);
  const second = await daemon(socket, '{"event":"started"}\n');
  await vi.waitFor(() => {
    expect(running.health.state).toBe('running');
    expect(running.metrics.sum('networkobservability_socket_events_total', { event: 'started' })).toBe(2);
  }, 5000);
  await second.end();
});
