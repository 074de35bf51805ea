import type { LoadedFlowSource, LoaderApi } from '@retina/loader';
import { FlowWriter, NetlinkFamily, type NetlinkMessage, type PluginContext, RetinaError } from '@retina/sdk';
import { afterEach, describe, expect, test } from 'vitest';
import { parseAddress } from '../identity/address.ts';
import { loadConfig } from '../config/load.ts';
import type { Host } from './host.ts';
import { plugin, sample, startHost, until } from './testing.ts';

let host: Host | undefined;
afterEach(() => host?.stop());

type Context = PluginContext<Record<string, unknown>, Record<string, never>>;
type Told = (messages: readonly NetlinkMessage[], lost: number) => void;

const REQUEST = { family: NetlinkFamily.ROUTE, type: 18, flags: 0x300, payload: new Uint8Array(4) };
const MESSAGE: NetlinkMessage = { type: 16, flags: 0, payload: new Uint8Array(4) };

/** A loader as far as this host asks it. */
function fakeLoader(
  subscribed: Set<Told>,
  finish: Promise<void> = Promise.resolve(),
  broken: ((error: RetinaError) => void)[] = [],
): LoaderApi {
  const none = async () => Promise.resolve([]);
  const part: Partial<LoaderApi> = {
    kernelFeatures: () => ({ release: '6.12.0', version: [6, 12], capabilities: [] }) as never,
    interfaces: none, addresses: none, defaultRoutes: none, namedNamespaces: none, addressesIn: none,
    watchNetwork: () => ({ [Symbol.dispose]: () => undefined }),
    ownNetns: () => 1,
    inInitialNetns: () => true,
    removeStaleFilters: async () => Promise.resolve(0),
    settled: async () => Promise.resolve(),
    async netlinkRequest(_, handle) {
      handle([MESSAGE, MESSAGE]);
      await finish;
      handle([MESSAGE]);
      return { messages: 3, interrupted: true };
    },
    netlinkSubscribe(_family, _groups, handle, _filter, fail) {
      subscribed.add(handle);
      broken.push(fail!);
      return { [Symbol.dispose]: () => void subscribed.delete(handle) };
    },
    deviceStatistics: async (name) => Promise.resolve(new Map([[name, 1]])),
  }; // prettier-ignore
  return part as LoaderApi;
}

async function run(setup: (ctx: Context) => void | Promise<void>, options: Parameters<typeof startHost>[1] = {}) {
  host = await startHost([plugin('probe', { setup: (ctx) => setup(ctx as unknown as Context) })], options);
  return host;
}
const state = () => host!.health().components.find(({ name }) => name === 'probe');

describe('netlink', () => {
  test('answers in batches; subscriptions end with the plugin', async () => {
    const subscribed = new Set<Told>();
    const seen: number[] = [];
    let answer: unknown;
    let devices: unknown;
    await run(
      async (ctx) => {
        answer = await ctx.netlink.request(REQUEST, (messages) => void seen.push(messages.length));
        devices = await ctx.devices.statistics('eth0');
        ctx.netlink.subscribe(NetlinkFamily.NETFILTER, [1], (messages, lost) => void seen.push(messages.length, lost));
        ctx.netlink.subscribe(NetlinkFamily.NETFILTER, [2], () => undefined)[Symbol.dispose]();
      },
      { loader: fakeLoader(subscribed) },
    );
    expect([answer, devices]).toEqual([{ messages: 3, interrupted: true }, new Map([['eth0', 1]])]);
    for (const told of subscribed) told([MESSAGE], 7);
    expect([seen, subscribed.size]).toEqual([[2, 1, 1, 7], 1]);
    await host!.stop();
    expect(subscribed.size).toBe(0);
  });

  test('a handler that throws is counted; a plugin that has ended hears no more of what it asked', async () => {
    const subscribed = new Set<Told>();
    let finish = () => {};
    const heard: number[] = [];
    await run(
      (ctx) => {
        ctx.netlink.subscribe(NetlinkFamily.ROUTE, [1], () => {
          throw new Error('no');
        });
        void ctx.netlink.request(REQUEST, (messages) => void heard.push(messages.length));
      },
      { loader: fakeLoader(subscribed, new Promise((done) => (finish = done))) },
    );
    for (const told of subscribed) told([MESSAGE], 0);
    expect(sample(host!.metrics, 'retina_handler_errors_total', 'plugin', 'probe')).toBe(1);
    await host!.stop();
    finish();
    await new Promise((done) => setImmediate(done));
    expect(heard).toEqual([2]);
  });

  test('a subscription that ends by itself has its plugin set up afresh', async () => {
    const subscribed = new Set<Told>();
    const broken: ((error: RetinaError) => void)[] = [];
    let setups = 0;
    await run(
      (ctx) => {
        setups++;
        ctx.netlink.subscribe(NetlinkFamily.ROUTE, [1], () => undefined);
      },
      { loader: fakeLoader(subscribed, undefined, broken) },
    );
    broken[0]!(new RetinaError('RETINA_NETLINK_FAILED', 'a netlink subscription broke off'));
    await until(() => setups === 2 && state()?.state === 'running', 'set up afresh');
    expect(subscribed.size).toBe(1);
  });

  test.each<[string, (ctx: Context) => unknown]>([
    ['a request', (ctx) => ctx.netlink.request(REQUEST, () => undefined)],
    ['a subscription', (ctx) => ctx.netlink.subscribe(0, [1], () => undefined)],
    ['device statistics', (ctx) => ctx.devices.statistics('lo')],
  ])('without a loader says so: %s', async (_, ask) => {
    await run(async (ctx) => void (await ask(ctx)));
    expect(state()).toMatchObject({ state: 'failed', causes: [{ code: 'RETINA_NATIVE_MISSING' }] });
  });
});

test('API servers come from the configuration, and change with it without a restart of the plugin', async () => {
  const told: number[][] = [];
  let setups = 0;
  const yaml = (port: number) => `plugins: {probe: {}}\nexporters: {}\napiServers: ["10.0.0.1:${port}"]\n`;
  await run(
    (ctx) => {
      setups++;
      ctx.apiServers.watch((servers) => void told.push(servers.map(({ port }) => port)));
    },
    { yaml: yaml(443) },
  );
  const report = await host!.reconcile(loadConfig({ text: yaml(6443), environment: {} }).config);
  expect([told, setups, report.pending]).toEqual([[[443], [6443]], 1, []]);
});

test('names one plugin learns are there for the others and for flow records', async () => {
  const address = parseAddress('192.0.2.9')!;
  await run((ctx) => ctx.names.learn(address, 'peer.example', 60));
  expect(host!.names.of(address)).toEqual(['peer.example']);
});

test('resolving a batch writes endpoints, and counts nothing', async () => {
  const writer = new FlowWriter(1);
  writer.add({ sourceAddress: parseAddress('10.0.0.1')!, destinationAddress: parseAddress('10.0.0.2')!, packets: 1 });
  const batch = writer.batch();
  const seen: number[] = [];
  await run((ctx) => {
    ctx.defer(() => ctx.flows.resolve(batch));
  });
  host!.flows.addSink('test', (one) => void seen.push(one.length));
  host!.endpoints.provider(0).put({ key: 'a', kind: 'pod', name: 'a', addresses: ['10.0.0.1'] });
  await host!.stop();
  expect([batch.sourceEndpoint(0) > 0, seen, host!.flows.records, host!.history.appended]).toEqual([true, [], 0, 0]);
});

test('what is known of a connection reaches every open flow source, also past one that has ended', async () => {
  let annotate: Context['flows']['annotate'] = () => undefined;
  await run((ctx) => void (annotate = (annotation) => ctx.flows.annotate(annotation)));
  const got: number[] = [];
  const source = (take: (rtt: number) => void) =>
    ({ annotate: ({ rttMicros = 0 }) => take(rttMicros), stats: () => undefined }) as unknown as LoadedFlowSource;
  host!.sources.add(
    'a',
    source((rtt) => void got.push(rtt)),
  );
  host!.sources.add('b', source(() => { throw new Error('closed'); })); // prettier-ignore
  const last = host!.sources.add(
    'c',
    source((rtt) => void got.push(rtt + 1)),
  );
  const ends = { source: new Uint8Array(16), destination: new Uint8Array(16), sourcePort: 1, destinationPort: 2 };
  annotate({ ...ends, protocol: 6, rttMicros: 10 });
  last[Symbol.dispose]();
  annotate({ ...ends, protocol: 6, rttMicros: 20 });
  expect(got).toEqual([10, 11, 20]);
  await until(() => state()?.state === 'running', 'running');
});
