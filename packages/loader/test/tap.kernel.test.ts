import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { child, compile, sh } from './support.ts';

const object = JSON.stringify(compile('tap'));
const inside = ['ip', 'netns', 'exec', 'loader-a'];

// Two namespaces without a packet of their own: no IPv6, neighbours known.
beforeAll(() => {
  sh(`
    for n in a b; do ip netns delete loader-$n 2>/dev/null || true; ip netns add loader-$n; done
    ip -n loader-a link add v0 address 02:00:00:00:00:0a type veth peer name v0 address 02:00:00:00:00:0b netns loader-b
    for n in a b; do
      ip netns exec loader-$n sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
      ip -n loader-$n link set v0 up
    done
    ip -n loader-a address add 192.0.2.1/24 dev v0; ip -n loader-b address add 192.0.2.2/24 dev v0
    ip -n loader-a neigh replace 192.0.2.2 lladdr 02:00:00:00:00:0b nud permanent dev v0
    ip -n loader-b neigh replace 192.0.2.1 lladdr 02:00:00:00:00:0a nud permanent dev v0
  `);
});
let echo: ChildProcess;
beforeAll(async () => {
  const script = `const s = require('node:dgram').createSocket('udp4'); s.on('message', (m, from) => s.send(m, from.port, from.address)); s.bind(7, '192.0.2.2', () => console.log('ready'));`;
  echo = spawn('ip', ['netns', 'exec', 'loader-b', process.execPath, '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(echo.stdout!, 'data');
});
afterAll(() => void echo.kill());
afterAll(() => void sh('for n in a b; do ip netns delete loader-$n; done'));

const prelude = `
  const socket = (await import('node:dgram')).createSocket('udp4').unref();
  // n datagrams to the echo at the other end, each answered before the next: n packets each way.
  const echo = async (n, pause = 0) => {
    for (let i = 0; i < n; i++) {
      await new Promise((done) => { socket.once('message', done); socket.send('x', 7, '192.0.2.2'); socket.ref(); });
      if (pause) await new Promise((done) => setTimeout(done, pause));
    }
    socket.unref();
  };
  const v0 = (await loader.interfaces()).find((i) => i.name === 'v0').ifindex;
  const spec = loader.openObject(${object});
  const load = (options) => spec.load(options);
  const out = (...values) => console.log(JSON.stringify(values));
`;

async function run(script: string): Promise<unknown[]> {
  const ended = await child(prelude + script, { prefix: inside });
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  return ended.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

describe.each(['tcx', 'clsact'] as const)('a tap by %s', (mode) => {
  test('sees every packet while it is attached, and none afterwards', async () => {
    const lines = await run(`
      const o = await load();
      const one = await o.attachTap('first', v0, 'ingress', '${mode}');
      const two = await o.attachTap('second', v0, 'egress', '${mode}');
      out(one.mode, one.direction, two.direction, one.ifindex === v0);
      await echo(200);
      out(...o.counters('packets'));
      one[Symbol.dispose]();
      two[Symbol.dispose]();
      await loader.settled();
      await echo(50);
      out(...o.counters('packets'));
      o[Symbol.dispose]();`);
    // "second" returns -5, which no hook knows: both kinds treat it as "go on".
    expect(lines).toEqual([
      [mode, 'ingress', 'egress', true],
      [200, 200, 0, 0],
      [200, 200, 0, 0],
    ]);
  });

  test('changes its program under traffic without missing or doubling a packet, and outlives its first object', async () => {
    const lines = await run(`
      const a = await load({ skipPrograms: ['second'] });
      const b = await load();
      const tap = await a.attachTap('first', v0, 'egress', '${mode}');
      const traffic = echo(500, 1);
      for (let i = 0; i < 100; i++) {
        tap.update(i % 2 ? b.program('other') : a.program('other'));
        await new Promise((r) => setTimeout(r, 5));
      }
      const seen = a.counters('packets');
      a[Symbol.dispose]();
      await traffic;
      const [, , behind] = b.counters('packets');
      out(seen[0] + seen[2] + behind, seen[2] > 50, behind > 50);
      tap[Symbol.dispose]();
      b[Symbol.dispose]();`);
    expect(lines).toEqual([[500, true, true]]);
  });

  test('goes first and lets what others attached go on', async () => {
    // Somebody else's filter of another kind has our priority, and somebody else's program counts behind it.
    sh(`exec 2>&1
      ip netns exec loader-a tc qdisc replace dev v0 clsact
      ip netns exec loader-a tc filter add dev v0 ingress prio 1 protocol all u32 match u32 0xdeadbeef 0xffffffff at 0
      ip netns exec loader-a tc filter add dev v0 ingress prio 100 handle 7 bpf direct-action object-file ${JSON.parse(object)} program other`);
    const filters = () => sh('ip netns exec loader-a tc filter show dev v0 ingress');
    const foreign = filters();
    const id = /handle 0x7 .* id (\d+)/.exec(foreign)![1];
    const { map_ids: maps } = JSON.parse(sh(`bpftool -j prog show id ${id}`)) as { map_ids: number[] };
    const counted = () => {
      const { formatted } = JSON.parse(sh(`bpftool -j map lookup id ${maps[0]} key 2 0 0 0`)) as {
        formatted: { values: { value: number }[] };
      };
      return formatted.values.reduce((sum, { value }) => sum + value, 0);
    };
    const lines = await run(`
      const a = await load(); const b = await load();
      const taps = [await a.attachTap('first', v0, 'ingress', '${mode}'), await b.attachTap('first', v0, 'ingress', '${mode}')];
      await echo(20);
      out(a.counters('packets')[0], b.counters('packets')[0]);
      for (const tap of taps) tap[Symbol.dispose]();
      await loader.settled();
      await echo(5);
      out(await loader.removeStaleFilters());`);
    expect(lines).toEqual([[20, 20], [0]]);
    expect(counted()).toBe(25);
    expect(filters()).toBe(foreign);
    sh('ip netns exec loader-a tc filter delete dev v0 ingress');
  });

  test('that cannot be attached says why', async () => {
    const lines = await run(`
      const o = await load();
      for (const [program, ifindex] of [['first', 999999], ['nothing', v0]]) {
        await o.attachTap(program, ifindex, 'ingress', '${mode}').then(() => out('attached'), (e) => out(e.code, e.found));
      }
      await o.attachTap('first', v0, 'sideways').catch((e) => out(e.name));
      o[Symbol.dispose]();
      await o.attachTap('first', v0, 'ingress').catch((e) => out(e.code));`);
    expect(lines).toEqual([
      ['RETINA_ATTACH_FAILED', 'No such device (ENODEV)'],
      ['RETINA_OBJECT_INVALID', 'programs: first, second, other'],
      ['TypeError'],
      ['RETINA_CLOSED'],
    ]);
  });
});

describe('a killed process', () => {
  const net = () => sh('ip netns exec loader-a bpftool -j net show dev v0');
  const attach = `
    const o = await load();
    await o.attachTap('first', v0, 'ingress', 'tcx');
    await o.attachTap('first', v0, 'egress', 'clsact');
    console.log('attached');
    setInterval(() => {}, 1000);`;

  test('leaves no tcx link; its clsact filters are removed at the next start, those of the living stay', async () => {
    let endLiving: (signal: NodeJS.Signals) => void = () => {};
    let living: Promise<unknown> = Promise.resolve();
    await new Promise<void>((ready) => {
      living = child(prelude + attach, { prefix: inside, onLine: (_, kill) => ((endLiving = kill), ready()) });
    });
    const before = sh('ip netns exec loader-a tc filter show dev v0 egress').match(/retina:/g)?.length;
    const killed = await child(prelude + attach, { prefix: inside, onLine: (_, kill) => kill('SIGKILL') });
    expect(killed.signal).toBe('SIGKILL');
    const after = () => sh('ip netns exec loader-a tc filter show dev v0 egress').match(/retina:/g)?.length ?? 0;
    expect([before, after()]).toEqual([1, 2]);
    expect(await run('out(await loader.removeStaleFilters())')).toEqual([[1]]);
    expect(after()).toBe(1);
    endLiving('SIGKILL');
    await living;
    expect(await run('out(await loader.removeStaleFilters(), await loader.removeStaleFilters())')).toEqual([[1, 0]]);
    expect(after()).toBe(0);
    expect(net()).not.toMatch(/first/);
  });
});
