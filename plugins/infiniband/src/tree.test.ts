import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { expect, it } from 'vitest';
import { type Planted, plant } from '../test/plant.ts';
import { walk } from './tree.ts';

const read = (tree: Planted, more: Partial<Parameters<typeof walk>[0]> = {}) =>
  walk({
    root: tree.root, hwCounters: false, interfacePrefix: 'ib', maxFiles: 10_000,
    signal: new AbortController().signal, ...more,
  }); // prettier-ignore

const problems = ({ problems: found }: Awaited<ReturnType<typeof walk>>) => found.map(({ problem }) => problem);

it('reads every counter of every port, and the parameters of InfiniBand interfaces alone', async () => {
  using tree = plant('infiniband');
  const found = await read(tree);
  expect(found).toMatchObject({ devices: 2, problems: [] });
  expect(found.counters).toHaveLength(2 * 21);
  const of = (name: string) => found.counters.find((one) => one.owner === 'mlx5_0' && one.name === name);
  expect(of('port_rcv_data')).toEqual({ name: 'port_rcv_data', owner: 'mlx5_0', port: '1', value: 2n ** 64n - 8n });
  expect(of('port_xmit_data')?.value).toBe(2n ** 53n + 1n);
  expect(found.parameters.map(({ name, owner, value }) => [owner, name, value])).toEqual([
    ['ib0', 'link_state', 1n], ['ib0', 'lro_timeout', 32n], ['ib1', 'link_state', 1n], ['ib1', 'lro_timeout', 64n],
  ]); // prettier-ignore
});

it('adds the counters of the driver when asked to, without what is a setting', async () => {
  using tree = plant('roce');
  const names = (await read(tree, { hwCounters: true })).counters
    .filter(({ owner }) => owner === 'mlx5_bond_0')
    .map(({ name }) => name);
  expect(names).toHaveLength(21 + 28);
  expect(names).toContain('np_cnp_sent');
  expect(names).not.toContain('lifespan');
});

it('names what is no number and reads the rest', async () => {
  using tree = plant('roce');
  const found = await read(tree);
  // words instead of a number, an empty file, one more than 64 bits
  expect(problems(found)).toEqual(['not_a_number', 'not_a_number', 'not_a_number']);
  const old = found.counters.filter(({ owner }) => owner === 'mlx4_0').map(({ port, name }) => `${port}/${name}`);
  expect(old).toEqual(['1/link_downed', '1/port_rcv_data', '1/port_xmit_data', '2/port_xmit_data']);
});

it('finds nothing, and nothing wrong, where there is no such device', async () => {
  using tree = plant();
  expect(await read(tree)).toEqual({ devices: 0, counters: [], parameters: [], problems: [] });
});

it('survives a foreign tree', async () => {
  using tree = plant();
  const port = 'class/infiniband/a/ports/1/counters';
  tree.set(`${port}/fine`, '1\n');
  tree.set(`${port}/huge`, '7'.repeat(1_000_000));
  tree.set(`${port}/folder/file`, '1');
  tree.set(`${port}/negative`, '-1\n');
  tree.set(`${port}/newline\nin "name"`, '2');
  execFileSync('mkfifo', [tree.at(`${port}/fifo`)]);
  execFileSync('ln', ['-s', '/dev/zero', tree.at(`${port}/endless`)]);
  execFileSync('ln', ['-s', 'loop', tree.at(`${port}/loop`)]);
  tree.set('class/infiniband/file', 'no folder');
  tree.set('class/net/ib0', 'no folder');
  const found = await read(tree);
  expect(found.counters.map(({ name, value }) => [name, value])).toEqual([
    ['fine', 1n],
    ['newline\nin "name"', 2n],
  ]);
  expect(problems(found).sort()).toEqual([
    'not_a_number', 'not_a_number', 'too_long', 'too_long', 'unreadable', 'unreadable', 'vanished',
  ]); // prettier-ignore
});

it('reads no more files than it may, and says so once', async () => {
  using tree = plant('infiniband');
  const found = await read(tree, { maxFiles: 30, hwCounters: true });
  expect(found.counters).toHaveLength(30);
  expect(problems(found)).toEqual(['too_many']);
  for (let i = 0; i < 4200; i++) tree.set(`class/infiniband/mlx5_0/ports/2/counters/c${i}`, '1');
  expect(problems(await read(tree))).toEqual(['too_many']);
});

it('survives a tree that changes while it is read', async () => {
  using tree = plant('infiniband');
  let going = true;
  const reading = (async () => {
    const seen = new Set<string>();
    while (going) {
      const found = await read(tree);
      for (const { value } of found.counters) expect(value).toBeGreaterThanOrEqual(0n);
      for (const problem of problems(found)) seen.add(problem);
    }
    return seen;
  })();
  for (let i = 0; i < 60; i++) {
    rmSync(tree.at('devices/pci0000:41/0000:41:00.0/infiniband/mlx5_1/ports/1/counters'), { recursive: true });
    await new Promise((resolve) => setImmediate(resolve));
    for (const name of ['link_downed', 'port_rcv_data', 'symbol_error']) {
      tree.set(`class/infiniband/mlx5_1/ports/1/counters/${name}`, '5\n');
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  going = false;
  // an empty file is one about to be written
  expect([...(await reading)].filter((problem) => problem !== 'vanished' && problem !== 'not_a_number')).toEqual([]);
});
