import { statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addressesIn, interfaces, namedNamespaces, ownNetns } from '../src/index.ts';
import { child, failure, sh } from './support.ts';

beforeAll(() => {
  sh(`for n in n m; do ip netns delete loader-$n 2>/dev/null || true; ip netns add loader-$n; done
    ip -n loader-n link set lo up`);
});
afterAll(() => void sh('for n in n m; do ip netns delete loader-$n; done'));

const prelude = `
  const { exec } = await import('node:child_process');
  const ip = (...lines) => new Promise((done, fail) => {
    const run = exec('ip -batch -', (error) => (error ? fail(error) : done()));
    run.stdin.end(lines.join('\\n') + '\\n');
  });
  const events = [];
  const watch = loader.watchNetwork((event) => { events.push({ ...event, at: performance.now() }); });
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  /** What happened, in short, during \`what\` and 60 ms after it. */
  const during = async (what) => {
    events.length = 0;
    await what();
    await wait(60);
    return events.map((e) => [e.type, e.change, e.interface?.name ?? e.address?.address.slice(12).join('.')].filter((x) => x !== undefined).join(' '));
  };
  const out = (...values) => console.log(JSON.stringify(values));
`;

async function run(script: string): Promise<unknown[]> {
  const ended = await child(`${prelude}\n${script}\nwatch[Symbol.dispose]();`, {
    prefix: ['ip', 'netns', 'exec', 'loader-n'],
  });
  expect(ended).toMatchObject({ code: 0, stderr: '' });
  const lines = ended.stdout.trim().split('\n');
  return lines.map((line) => JSON.parse(line) as unknown);
}

describe('a watch', () => {
  test('tells of interfaces, addresses and default routes as they come and go', async () => {
    const lines = await run(`
      out(await during(() => ip('link add v0 type veth peer name v1')));
      out(await during(() => ip('address add 192.0.2.1/24 dev v0', 'address del 192.0.2.1/24 dev v0')));
      await ip('link set v0 up', 'link set v1 up', 'address add 192.0.2.1/24 dev v0');
      await wait(100);
      out(await during(() => ip('route add default via 192.0.2.9')), await loader.defaultRoutes());
      out(await during(() => ip('route add 198.51.100.0/24 via 192.0.2.9')));
      out((await during(() => ip('link set v0 down'))).includes('routes'), await loader.defaultRoutes());
      out((await during(() => ip('link delete v0'))).filter((text) => text.includes('removed')).sort());`);
    const v0 = expect.any(Number) as number;
    expect(lines).toEqual([
      [['interface added v1', 'interface added v0']],
      [['address added 192.0.2.1', 'address removed 192.0.2.1']],
      [['routes'], [{ ifindex: v0, main: true }]],
      [[]],
      [true, []],
      [['interface removed v0', 'interface removed v1']].map((names) => expect.arrayContaining(names) as string[]),
    ]);
  });

  test('tells an interface that returns under its old name from the one that went', async () => {
    const lines = await run(`
      const seen = await (async () => {
        for (let i = 0; i < 3; i++) await ip('link add v0 address 02:00:00:00:00:01 type veth peer name v1', 'link delete v0');
        await wait(60);
        return events.filter((e) => e.interface?.name === 'v0' && e.change !== 'changed');
      })();
      out(seen.map((e) => e.change), new Set(seen.map((e) => e.interface.ifindex)).size);`);
    expect(lines).toEqual([[['added', 'removed', 'added', 'removed', 'added', 'removed'], 3]]);
  });

  test('takes leaving a bridge, or moving to another namespace, for what it is', async () => {
    const lines = await run(`
      await ip('link add br0 type bridge', 'link add v0 type veth peer name v1', 'link set v0 master br0');
      await wait(60);
      out((await during(() => ip('link set v0 nomaster'))).filter((text) => text.includes('v0') && !text.includes('changed')));
      const before = (await loader.interfaces()).find((i) => i.name === 'v0');
      const moved = await during(() => ip('link set v1 netns loader-m'));
      const after = (await loader.interfaces()).find((i) => i.name === 'v0');
      const [named] = (await loader.namedNamespaces()).filter((n) => n.name === 'loader-m');
      out(moved.includes('interface removed v1'), moved.includes('interface changed v0'));
      out(before.linkNetnsid, after.linkNetnsid >= 0, after.linkNetnsid === named.netnsid);
      await ip('link delete v0', 'link delete br0');`);
    expect(lines).toEqual([[[]], [true, true], [-1, true, true]]);
  });

  test('is told within 100 ms', async () => {
    const [[latency]] = (await run(`
      const { execFileSync } = await import('node:child_process');
      const delays = [];
      for (let i = 0; i < 10; i++) {
        events.length = 0;
        execFileSync('ip', ['link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'v1']);
        const made = performance.now();
        const added = () => events.find((e) => e.change === 'added' && e.interface?.name === 'v0');
        while (!added()) await wait(5);
        delays.push(added().at - made);
        await ip('link delete v0');
      }
      out(Math.min(...delays));`)) as [[number]];
    // The quickest of some: on a busy machine the others tell of its neighbours.
    expect(latency).toBeLessThan(100);
  });

  test('says so when it missed something, and is right afterwards', async () => {
    const lines = await run(`
      await ip('link add v0 type veth peer name v1');
      await wait(60);
      events.length = 0;
      // JavaScript is away while more happens than the slabs and the socket hold.
      const { execFileSync } = await import('node:child_process');
      const churn = Array.from({ length: 16_000 }, (_, i) => 'link set v0 mtu ' + (1000 + (i % 400))).join('\\n') + '\\n';
      execFileSync('ip', ['-batch', '-'], { input: churn });
      execFileSync('ip', ['link', 'add', 'late0', 'type', 'veth', 'peer', 'name', 'late1']);
      await wait(200);
      out(events.some((e) => e.type === 'resync'), events.length > 1000);
      out((await during(() => ip('link delete late0'))).includes('interface removed late0'));
      await ip('link delete v0');`);
    expect(lines).toEqual([[true, true], [true]]);
  });
});

describe('what there is', () => {
  test('links tell their kind, their lower device, their bridge and the namespace of their peer', async () => {
    const lines = await run(`
      await ip('link add v0 mtu 1400 type veth peer name v1 netns loader-m', 'link add link v0 name m0 type macvlan',
        'link add br0 type bridge', 'link set br0 up', 'link add v2 address 02:aa:bb:cc:dd:ee type veth peer name v3', 'link set v2 master br0 up',
        'address add 2001:db8::1/64 dev v0 nodad', 'link set v0 up');
      const all = new Map((await loader.interfaces()).map((i) => [i.name, i]));
      const of = (name, ...fields) => fields.map((field) => all.get(name)[field]);
      out(...of('v0', 'kind', 'mtu', 'loopback', 'up'), all.get('v0').linkNetnsid >= 0);
      out(...of('m0', 'kind', 'linkIfindex'), all.get('v0').ifindex);
      out(...of('v2', 'master', 'linkIfindex', 'linkNetnsid'), all.get('br0').ifindex, all.get('v3').ifindex, Buffer.from(all.get('v2').mac).toString('hex'));
      out(...of('lo', 'kind', 'loopback', 'linkIfindex'));
      const mine = (await loader.addresses()).filter((a) => a.ifindex === all.get('v0').ifindex && a.address[0] === 0x20);
      out(mine.map((a) => [Buffer.from(a.address).toString('hex'), a.prefixLength]));
      await ip('address add 192.0.2.1/24 dev v0', 'route add default via 192.0.2.9', 'route add default via 2001:db8::9 dev v0 metric 5', 'route add default dev br0 metric 9 table 77');
      out((await loader.defaultRoutes()).map(({ ifindex, main }) => [[...all.values()].find((x) => x.ifindex === ifindex).name, main]));
      await ip('link delete v0', 'link delete v2', 'link delete br0');`);
    const [veth, above, port, lo, addresses, uplinks] = lines as [
      unknown[],
      [string, number, number],
      number[],
      unknown[],
      unknown[],
      unknown[],
    ];
    expect(veth).toEqual(['veth', 1400, false, true, true]);
    expect(above).toEqual(['macvlan', above[2], above[2]]);
    expect(port).toEqual([port[3], port[4], -1, port[3], port[4], '02aabbccddee']);
    expect(lo).toEqual(['', true, 0]);
    expect(addresses).toEqual([[['20010db8000000000000000000000001', 64]]]);
    expect(uplinks).toEqual([
      [
        ['v0', true],
        ['br0', false],
      ],
    ]);
  });

  test('namespaces by name, and the addresses inside them', async () => {
    sh('ip -n loader-m link set lo up; ip -n loader-m address add 203.0.113.5/32 dev lo');
    const [named] = (await namedNamespaces()).filter(({ name }) => name === 'loader-m');
    expect(named?.inode).toBe(statSync('/run/netns/loader-m').ino);
    expect(ownNetns()).toBe(statSync('/proc/self/ns/net').ino);
    const inside = await addressesIn('/run/netns/loader-m');
    expect(inside.map(({ address }) => [...address.subarray(10)].join('.'))).toContain('255.255.203.0.113.5');
    expect(await failure(() => addressesIn('/run/netns/nothing'))).toMatchObject({ code: 'RETINA_NETLINK_FAILED' });
    // The threads that went there are gone, and every other one is still here.
    expect((await interfaces()).length).toBe(sh('ls /sys/class/net').trim().split('\n').length);
  });

  test('another namespace cannot be entered without CAP_SYS_ADMIN', async () => {
    const prefix = ['setpriv', '--bounding-set=-sys_admin', '--inh-caps=-sys_admin', '--'];
    const { stdout } = await child(
      `await loader.addressesIn('/run/netns/loader-m').catch((e) => console.log(e.code));`,
      { prefix },
    );
    expect(stdout).toBe('RETINA_CAPABILITY_MISSING\n');
  });
});
