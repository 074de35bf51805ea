import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { afterEach, expect, it } from 'vitest';
import type { Logger } from '@retina/sdk';
import { createDemoWorld, removeDemoLeftovers } from './world.ts';
import { DEMO_PODS } from './plan.ts';

const warnings: string[] = [];
const log: Logger = {
  debug() {},
  info() {},
  warn: (text, fields) => void warnings.push(`${text} ${JSON.stringify(fields)}`),
  error() {},
};

/** Names of everything of the demonstration that the host has now. */
function remains(): string[] {
  const namespaces = existsSync('/run/netns') ? readdirSync('/run/netns') : [];
  const links = readdirSync('/sys/class/net');
  const tables = execFileSync('nft', ['list', 'tables'], { encoding: 'utf8' }).split('\n');
  const state = existsSync('/run/retina/demo.json') ? ['demo.json'] : [];
  return [...namespaces, ...links, ...tables, ...state].filter((name) => /retina.demo|rtdemo|demo\.json/.test(name));
}

/** Received packets of a pod's interface, as its host side sent them. */
const delivered = (link: string) => Number(readFileSync(`/sys/class/net/${link}/statistics/tx_packets`, 'utf8'));

afterEach(async () => {
  await removeDemoLeftovers();
});

it('carries HTTP, DNS and UDP by both families, drops and refuses some, and goes without a trace', async () => {
  const before = Object.keys(networkInterfaces());
  {
    await using world = await createDemoWorld(log);
    expect((JSON.parse(readFileSync(world.identityFile, 'utf8')) as { endpoints: unknown[] }).endpoints).toHaveLength(
      3,
    );
    world.startTraffic();
    for (const { link } of DEMO_PODS) await expect.poll(() => delivered(link), { timeout: 10_000 }).toBeGreaterThan(20);
    const sockets = () =>
      execFileSync('ip', ['netns', 'exec', 'retina-demo-client', 'ss', '-tanH'], { encoding: 'utf8' });
    await expect.poll(sockets, { timeout: 10_000 }).toMatch(/198\.18\.77\.2:8080/);
    await expect.poll(sockets, { timeout: 10_000 }).toMatch(/\[2001:db8:77::2\]:8080/);
    await expect.poll(sockets, { timeout: 10_000 }).toMatch(/SYN-SENT.*:8082/); // dropped by the server's firewall
  }
  expect(remains()).toEqual([]);
  expect(Object.keys(networkInterfaces())).toEqual(before);
  expect(warnings).toEqual([]);
});

it("is left alone while its agent lives, and cleared up by the next one after the agent's SIGKILL", async () => {
  const script = `import { createDemoWorld } from ${JSON.stringify(new URL('./world.ts', import.meta.url).href)};
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    (await createDemoWorld(log)).startTraffic();
    console.log('up'); setInterval(() => {}, 1000);`;
  const agent = spawn(process.execPath, ['--conditions=@retina/source', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(agent.stdout, 'data');
  await expect(createDemoWorld(log)).rejects.toMatchObject({ code: 'RETINA_DEMO_FAILED', found: `pid ${agent.pid}` });
  expect(await removeDemoLeftovers()).toBe(false);
  agent.kill('SIGKILL');
  await once(agent, 'exit');
  expect(remains().length).toBeGreaterThan(6);
  expect(await removeDemoLeftovers()).toBe(true);
  expect(remains()).toEqual([]);
});
