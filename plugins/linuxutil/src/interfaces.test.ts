import { attribute, type Devices } from '@retina/sdk';
import { expect, it } from 'vitest';
import { Drivers, listLinks } from './interfaces.ts';
import { matcher } from './patterns.ts';
import { Totals } from './totals.ts';

it('lists the interfaces that a dump names, whatever else it holds', async () => {
  const link = (ifindex: number, ...attributes: Uint8Array[]) => {
    const header = new Uint8Array(16);
    new DataView(header.buffer).setInt32(4, ifindex, true);
    return { type: 16, flags: 2, payload: Buffer.concat([header, ...attributes]) };
  };
  const name = (text: string) => attribute(3, Buffer.from(`${text}\0`));
  const links = await listLinks({
    request: async (_, handle) => {
      handle([link(1, name('lo')), link(7, attribute(4, Uint8Array.of(1)), name('eth0')), link(8, name(''))]);
      handle([
        { type: 3, flags: 0, payload: new Uint8Array(4) },
        link(9, Uint8Array.of(200, 0, 3, 0, 65)),
        link(0, name('x')),
      ]);
      return { messages: 6, interrupted: false };
    },
    subscribe: () => ({ [Symbol.dispose]: () => undefined }),
  });
  expect(links).toEqual([{ ifindex: 1, name: 'lo' }, { ifindex: 7, name: 'eth0' }]); // prettier-ignore
});

it('does not ask a driver without statistics again, unless its interface was made anew', async () => {
  const asked: string[] = [];
  const devices: Devices = {
    statistics: async (name) => {
      asked.push(name);
      if (name === 'gone') throw new Error('no such device');
      return name === 'br0' ? undefined : new Map([['rx_errors', 1]]);
    },
  };
  const drivers = new Drivers(devices);
  const failed: unknown[] = [];
  const round = (...links: [string, number][]) =>
    drivers.ask(
      links.map(([name, ifindex]) => ({ name, ifindex })),
      new AbortController().signal,
      (error) => failed.push(error),
    );
  expect((await round(['br0', 3], ['eth0', 2], ['gone', 4])).map(({ name }) => name)).toEqual(['eth0']);
  expect(failed).toHaveLength(1);
  await round(['br0', 3], ['eth0', 2]);
  expect(drivers.unsupported).toBe(1);
  await round(['br0', 9]);
  expect(asked).toEqual(['br0', 'eth0', 'gone', 'eth0', 'br0']);
  await round();
  expect(drivers.unsupported).toBe(0);
});

it('keeps a sum from falling when an interface goes, is made anew or is reset', () => {
  const totals = new Totals();
  let sum = 0;
  const see = (source: string, total: number) => (sum += totals.step(source, 'rx_errors', total));
  see('2/eth0', 10);
  see('3/eth1', 5);
  totals.keep(new Set(['2/eth0']));
  expect(see('2/eth0', 11)).toBe(16);
  expect(see('9/eth1', 2)).toBe(18);
  expect(see('2/eth0', 4)).toBe(22);
});

it('matches as file names do', () => {
  const matches = matcher(['eth?', '*lo*', 'a.b', '**']);
  expect(matches('eth0')).toBe(true);
  const fewer = matcher(['eth?', '*lo*', 'a.b']);
  expect(['eth0', 'eth10', 'flow1', 'lo', 'axb', 'a.b', ''].map(fewer)).toEqual([true, false, true, true, false, true, false]); // prettier-ignore
  expect(matcher([])('eth0')).toBe(false);
});
