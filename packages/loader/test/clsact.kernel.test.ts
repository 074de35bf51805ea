import { afterEach, beforeEach, expect, test } from 'vitest';
import { child, compile, sh } from './support.ts';

const object = JSON.stringify(compile('tap'));
const NAME = `loader-${process.pid}-clsact`;
const inside = ['ip', 'netns', 'exec', NAME];
const tc = (command: string) => sh(`ip netns exec ${NAME} tc ${command} 2>&1`);

beforeEach(() => void sh(`ip netns add ${NAME}; ip -n ${NAME} link set lo up`));
afterEach(() => void sh(`ip netns delete ${NAME}`));

/** What holds the hooks of `lo`: clsact, ingress or nothing. */
const qdisc = () => /qdisc (clsact|ingress)/.exec(tc('qdisc show dev lo'))?.[1];
const filters = (hook: string) => tc(`filter show dev lo ${hook}`);
const foreign = (hook: string) =>
  tc(`filter add dev lo ${hook} prio 100 handle 7 bpf direct-action object-file ${JSON.parse(object)} program other`);

/** Packets somebody else's program on a hook has seen. */
function foreignCount(hook: string): number {
  const id = /handle 0x7 .* id (\d+)/.exec(filters(hook))![1];
  const { map_ids: maps } = JSON.parse(sh(`bpftool -j prog show id ${id}`)) as { map_ids: number[] };
  const entry = JSON.parse(sh(`bpftool -j map lookup id ${maps[0]} key 2 0 0 0`)) as {
    formatted: { values: { value: number }[] };
  };
  return entry.formatted.values.reduce((sum, { value }) => sum + value, 0);
}

const prelude = `
  const { createSocket } = await import('node:dgram');
  // Datagrams to ourselves: each passes the egress and the ingress hook once.
  const send = async (n) => {
    const socket = createSocket('udp4');
    await new Promise((done) => socket.bind(0, '127.0.0.1', done));
    for (let i = 0; i < n; i++) await new Promise((done) => { socket.once('message', done); socket.send('x', socket.address().port, '127.0.0.1'); });
    await new Promise((done) => socket.close(done));
  };
  const out = (...values) => console.log(JSON.stringify(values));
  const o = await loader.openObject(${object}).load();
  const attach = (program, hook) => o.attachTap(program, 1, hook, 'clsact');
`;

async function run(script: string): Promise<unknown[]> {
  const ended = await child(prelude + script, { prefix: inside });
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  return ended.stdout.trim().split('\n').map((line) => JSON.parse(line) as unknown); // prettier-ignore
}

/** Attaches both hooks, then is killed. */
async function killed(): Promise<void> {
  const script = `await Promise.all([attach('first', 'ingress'), attach('second', 'egress')]); out('attached'); setInterval(() => {}, 1000);`;
  const ended = await child(prelude + script, { prefix: inside, onLine: (_, kill) => kill('SIGKILL') });
  expect(ended.signal).toBe('SIGKILL');
}

const stopped = `
  const taps = await Promise.all([attach('first', 'ingress'), attach('second', 'egress')]);
  await send(50);
  const [first, second] = o.counters('packets');
  out(first, second);
  for (const tap of taps) tap[Symbol.dispose]();
  await loader.settled();`;

test('an ingress qdisc serves the ingress hook; the egress hook is refused, not mistaken', async () => {
  tc('qdisc add dev lo ingress');
  foreign('ingress');
  const before = filters('ingress');
  const lines = await run(`
    const tap = await attach('first', 'ingress');
    await attach('second', 'egress').then(() => out('attached'), (e) => out(e.code, e.found, e.needed, e.next));
    await send(20);
    out(...o.counters('packets'));
    tap[Symbol.dispose]();
    await loader.settled();
    out(await loader.removeStaleFilters());`);
  expect(lines).toEqual([
    ['RETINA_ATTACH_FAILED', expect.stringContaining("'ingress'"), expect.stringContaining('clsact'), expect.stringContaining('tc qdisc')],
    [20, 0, 0, 0],
    [0],
  ]); // prettier-ignore
  expect([qdisc(), filters('ingress'), foreignCount('ingress')]).toEqual(['ingress', before, 20]);
});

test('a qdisc we made goes with our last filter: at the end, by itself, and after a crash at the next start', async () => {
  expect(await run(stopped)).toEqual([[50, 50]]);
  expect(qdisc()).toBeUndefined();
  expect(await run(`await attach('first', 'egress'); out(1);`)).toEqual([[1]]);
  expect(qdisc()).toBeUndefined();
  await killed();
  expect([qdisc(), filters('egress')]).toEqual(['clsact', expect.stringContaining('retina:')]);
  expect(await run('out(await loader.removeStaleFilters());')).toEqual([[2]]);
  expect(qdisc()).toBeUndefined();
});

test("somebody else's filter and the qdisc under it outlive our start, end, crash and restart", async () => {
  await killed(); // ours is the qdisc, until
  foreign('egress');
  expect(await run(`out(await loader.removeStaleFilters()); ${stopped}`)).toEqual([[2], [50, 50]]);
  expect([qdisc(), filters('egress').match(/retina:/), foreignCount('egress')]).toEqual(['clsact', null, 50]);
  await killed();
  expect(await run('out(await loader.removeStaleFilters()); await send(5);')).toEqual([[2]]);
  expect([qdisc(), filters('ingress'), foreignCount('egress')]).toEqual(['clsact', '', 55]);
});

test('a qdisc somebody else made stays, though it is empty', async () => {
  tc('qdisc add dev lo clsact');
  await run(stopped);
  expect(qdisc()).toBe('clsact');
  await killed();
  await run('out(await loader.removeStaleFilters());');
  expect([qdisc(), filters('ingress'), filters('egress')]).toEqual(['clsact', '', '']);
});
