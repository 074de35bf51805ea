import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RetinaError, type Logger } from '@retina/sdk';
import { AgentClient } from './client.ts';
import { serveApi, type ApiSource } from './server.ts';

const quiet: Logger = { debug() {}, info() {}, warn() {}, error() {} };

/** Numbered records: a history, and a tap for more. */
class Numbers implements ApiSource {
  readonly listeners = new Set<(line: object) => void>();
  readonly records: readonly object[];
  constructor(records: number) {
    this.records = Array.from({ length: records }, (_, n) => ({ n }));
  }
  status(): never {
    throw new Error('broken');
  }
  config() {
    return { plugins: {} };
  }
  taps() {
    return [{ ifindex: 2, name: 'eth0', role: 'uplink', mode: 'tcx', peerNetns: 0 } as const];
  }
  top(kind: 'talkers' | 'drops' | 'connections') {
    return { kind, windowSeconds: 1, rows: [] };
  }
  flows(query: URLSearchParams) {
    if (query.has('port')) {
      throw new RetinaError('RETINA_REQUEST_INVALID', 'port is not understood', { found: 'x', needed: '0 to 65535' });
    }
    const follow = (listener: (line: object) => void) => {
      this.listeners.add(listener);
      return { [Symbol.dispose]: () => void this.listeners.delete(listener) };
    };
    const history = () =>
      Array.from({ length: this.records.length / 10 }, (_, i) => this.records.slice(10 * i, 10 * i + 10));
    return { history, ...(query.has('follow') && { follow }) };
  }
  emit(line: object): void {
    for (const listener of this.listeners) listener(line);
  }
}

let directory: string;
let socket: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'retina-api-'));
  socket = join(directory, 'run', 'agent.sock');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('the local API', () => {
  it('serves documents and a whole history on a socket of mode 0660, which goes with it', async () => {
    {
      await using _api = await serveApi(new Numbers(10_000), socket, quiet);
      expect(statSync(socket).mode & 0o777).toBe(0o660);
      const client = new AgentClient(socket);
      expect(await client.config()).toEqual({ plugins: {} });
      expect((await client.taps())[0]!.name).toBe('eth0');
      expect(await client.top('drops')).toEqual({ kind: 'drops', windowSeconds: 1, rows: [] });
      let n = 0;
      for await (const line of client.flows()) expect(line).toEqual({ n: n++ });
      expect(n).toBe(10_000);
    }
    expect(existsSync(socket)).toBe(false);
  });

  it('says what is wrong with a request, and survives its own mistakes', async () => {
    await using _api = await serveApi(new Numbers(0), socket, quiet);
    const client = new AgentClient(socket);
    const refusal = client.flows({ port: 'x' }).next();
    await expect(refusal).rejects.toMatchObject({ code: 'RETINA_REQUEST_INVALID', needed: '0 to 65535' });
    await expect(client.top('nonsense' as 'drops')).rejects.toMatchObject({ needed: 'talkers, drops, connections' });
    await expect(client.status()).rejects.toThrow('broken');
    expect(await client.taps()).toHaveLength(1);
  });

  it('follows, and forgets a follower that has gone', async () => {
    const source = new Numbers(10);
    await using _api = await serveApi(source, socket, quiet);
    const stop = new AbortController();
    const flows = new AgentClient(socket).flows({ follow: true }, stop.signal);
    for (let n = 0; n < 10; n++) expect((await flows.next()).value).toEqual({ n });
    source.emit({ n: 'live' });
    expect((await flows.next()).value).toEqual({ n: 'live' });
    await flows.return(undefined);
    await expect.poll(() => source.listeners.size).toBe(0);
  });

  it('counts what a slow follower misses, tells it, and keeps nothing without bound', async () => {
    const source = new Numbers(0);
    await using _api = await serveApi(source, socket, quiet);
    const slow = connect(socket);
    slow.write('GET /v1/flows?follow=1 HTTP/1.1\r\nhost: agent\r\n\r\n');
    await once(slow, 'readable'); // the head; from now on it reads nothing
    const total = 50_000;
    const padding = 'x'.repeat(200);
    for (let n = 0; n < total; n++) {
      source.emit({ n, padding });
      if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    let text = '';
    slow.setEncoding('latin1').on('data', (chunk: string) => (text += chunk));
    await expect.poll(() => seen(text) + lost(text), { timeout: 10_000 }).toBe(total);
    expect(lost(text)).toBeGreaterThan(10_000);
    slow.destroy();
  });

  it('leaves a living agent its socket, and takes over a dead one', async () => {
    {
      await using _first = await serveApi(new Numbers(0), socket, quiet);
      await expect(serveApi(new Numbers(0), socket, quiet)).rejects.toMatchObject({ code: 'RETINA_LISTEN_FAILED' });
      expect(await new AgentClient(socket).taps()).toHaveLength(1);
    }
    const dead = spawn(process.execPath, ['-e', `require('net').createServer().listen(${JSON.stringify(socket)}, () => process.kill(process.pid, 'SIGKILL'))`]); // prettier-ignore
    await once(dead, 'exit');
    expect(existsSync(socket)).toBe(true);
    await expect(new AgentClient(socket).taps()).rejects.toMatchObject({ code: 'RETINA_AGENT_UNREACHABLE' });
    await using _second = await serveApi(new Numbers(0), socket, quiet);
    expect(await new AgentClient(socket).taps()).toHaveLength(1);
  });
});

const seen = (text: string) => text.split('"n":').length - 1;
const lost = (text: string) => [...text.matchAll(/"lost":(\d+)/g)].reduce((sum, m) => sum + Number(m[1]), 0);
