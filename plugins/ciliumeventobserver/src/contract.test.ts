import { pluginContract } from '@retina/testkit';
import { afterAll, beforeAll, describe } from 'vitest';
import { Monitor } from '../test/monitor.ts';
import plugin from './index.ts';

const REFUSED = [
  { monitorSockPath: '' },
  { monitorSockPath: 'x'.repeat(108) },
  { events: ['agent'] },
  { events: [] },
  { reconnectMs: 0 },
];
const monitor = new Monitor();
afterAll(() => monitor[Symbol.asyncDispose]());

describe('without a Cilium agent', () => {
  pluginContract(plugin, { options: { monitorSockPath: `${monitor.path}.none` }, refused: REFUSED });
});

describe('with one', () => {
  beforeAll(() => monitor.listen());
  pluginContract(plugin, { options: { monitorSockPath: monitor.path } });
});
