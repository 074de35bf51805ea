import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import * as kube from '../src/index.ts';
import { ApiServer, whySkipped } from './api-server.ts';
import { Proxy } from './proxy.ts';

const SERVICE_ACCOUNTS = kube.resource('', 'v1', 'serviceaccounts', 'ServiceAccount');
const CLUSTER_ROLE_BINDINGS = kube.resource<kube.KubeObject & { roleRef?: object; subjects?: object[] }>(
  'rbac.authorization.k8s.io', 'v1', 'clusterrolebindings', 'ClusterRoleBinding', false,
); // prettier-ignore
const FAST = { backoffMs: [20, 200] as const };
type Labels = Readonly<Record<string, string>>;

describe.skipIf(whySkipped)(`a reflector (${whySkipped ?? 'real API server'})`, () => {
  let server: ApiServer;
  let client: kube.KubeClient;
  let proxy: Proxy;
  let behind: kube.KubeClient;
  const running: kube.Reflector<unknown>[] = [];

  beforeAll(async () => {
    // Cached pages outlive a compaction; without them a page is as gone as it is on a busy server.
    server = await ApiServer.start('--feature-gates=ListFromCacheSnapshot=false');
    client = server.client();
    proxy = await Proxy.to(server.port);
    behind = server.client({ kubeconfig: server.kubeconfig('behind', { token: 'administrator' }, proxy.port) });
  });
  afterEach(() => {
    for (const reflector of running.splice(0)) reflector.stop();
    proxy.slow(0);
    proxy.release();
    proxy.mend();
  });
  afterAll(async () => {
    proxy?.close();
    await server?.stop();
  });

  const put = (name: string, labels: Labels) => client.apply(kube.NAMESPACES, { metadata: { name, labels } });
  const drop = (name: string) => client.delete(SERVICE_ACCOUNTS, { namespace: 'default', name });
  const make = (name: string, labels: Labels) =>
    client.apply(SERVICE_ACCOUNTS, { metadata: { namespace: 'default', name, labels } });

  /** Follows the service accounts of one test, and writes down what it hears. */
  function follow(set: string, more: Partial<kube.ReflectOptions<kube.KubeObject, string>> = {}, by = behind) {
    const heard: string[] = [];
    const states: kube.ReflectorState[] = [];
    const reflector = kube.reflect(by, {
      resource: SERVICE_ACCOUNTS,
      labelSelector: `set=${set}`,
      trim: ({ metadata }) => metadata.labels?.v ?? '',
      onUpsert: (value, key, before) => heard.push(`${before === undefined ? '+' : '='}${key.split('/')[1]}:${value}`),
      onDelete: (value, key) => heard.push(`-${key.split('/')[1]}:${value}`),
      onSynced: () => heard.push('synced'),
      onState: (state) => states.push(state),
      ...FAST,
      ...more,
    });
    running.push(reflector);
    return { reflector, heard, states };
  }

  const until = async (what: () => boolean) => {
    for (const end = performance.now() + 60_000; !what(); await sleep(10)) {
      if (performance.now() > end) throw new Error('it did not come to pass in a minute');
    }
  };

  it('lists page by page, then hears every change, trimmed', async () => {
    for (let i = 0; i < 5; i++) await make(`page-${i}`, { set: 'page', v: '1' });
    const { reflector, heard } = follow('page', { pageSize: 2 });
    await reflector.synced;
    expect(heard).toEqual(['+page-0:1', '+page-1:1', '+page-2:1', '+page-3:1', '+page-4:1', 'synced']);
    expect(reflector.counts).toMatchObject({ lists: 1, pages: 3 });
    heard.length = 0;
    await make('page-0', { set: 'page', v: '2' });
    await drop('page-1');
    await make('page-2', { set: 'other', v: '1' }); // leaves the selection
    await until(() => heard.length === 3);
    expect(heard).toEqual(['=page-0:2', '-page-1:1', '-page-2:1']);
    expect([...reflector.store]).toEqual([['default/page-0', '2'], ['default/page-3', '1'], ['default/page-4', '1']]); // prettier-ignore
    expect(reflector.counts.relists).toBe(0);
  });

  it('resumes where it was after the connection broke, and lists nothing again', async () => {
    await make('cut-0', { set: 'cut', v: '1' });
    const { reflector, heard, states } = follow('cut');
    await until(() => reflector.state.phase === 'watching');
    proxy.cut(true);
    await make('cut-1', { set: 'cut', v: '1' });
    await drop('cut-0');
    await until(() => (reflector.counts.failures.get('connection') ?? 0) >= 2);
    proxy.mend();
    await until(() => heard.length === 4);
    expect(heard).toEqual(['+cut-0:1', 'synced', '+cut-1:1', '-cut-0:1']);
    expect(reflector.counts).toMatchObject({ lists: 1, relists: 0 });
    expect(states.find(({ phase }) => phase === 'waiting')?.error?.code).toBe('RETINA_KUBE_UNREACHABLE');
  });

  it('goes on through a crash of the API server, and knows everything meanwhile', async () => {
    await make('crash-0', { set: 'crash', v: '1' });
    const { reflector, heard } = follow('crash');
    await until(() => reflector.state.phase === 'watching');
    await server.kill();
    await until(() => reflector.state.phase === 'waiting');
    expect([...reflector.store.keys()]).toEqual(['default/crash-0']);
    await server.up();
    await make('crash-1', { set: 'crash', v: '1' });
    await until(() => reflector.store.size === 2);
    expect(heard.filter((line) => line !== 'synced')).toEqual(['+crash-0:1', '+crash-1:1']);
  });

  it('lists again when what it missed is forgotten (410), and tells the difference only', async () => {
    for (const name of ['gone-0', 'gone-1', 'gone-2']) await make(name, { set: 'gone', v: '1' });
    const { reflector, heard } = follow('gone');
    await until(() => reflector.state.phase === 'watching');
    proxy.cut(true);
    await drop('gone-0');
    await make('gone-1', { set: 'gone', v: '2' });
    await drop('gone-2');
    await make('gone-2', { set: 'gone', v: '1' }); // another one of the same name
    await make('gone-3', { set: 'gone', v: '1' });
    await server.compact();
    await server.kill(); // its watch cache went back further
    await server.up();
    heard.length = 0;
    proxy.mend();
    await until(() => heard.includes('synced'));
    expect(heard.sort()).toEqual(['+gone-2:1', '+gone-3:1', '-gone-0:1', '-gone-2:1', '=gone-1:2', 'synced']);
    expect(reflector.counts.failures.get('410')).toBe(1);
    expect(reflector.counts.relists).toBe(1);
  });

  it('begins anew when a page is forgotten between two pages (410)', async () => {
    for (let i = 0; i < 4; i++) await make(`half-${i}`, { set: 'half', v: '1' });
    let parsed = 0;
    const half = follow('half', {
      pageSize: 2,
      trim: ({ metadata }) => {
        if (++parsed === 2) proxy.hold();
        return metadata.labels?.v;
      },
    });
    await until(() => parsed === 2);
    await drop('half-0');
    await server.compact();
    proxy.release();
    await half.reflector.synced;
    expect([...half.reflector.store.keys()]).toEqual([1, 2, 3].map((i) => `default/half-${i}`));
    expect(half.reflector.counts.failures.get('410')).toBe(1);
    expect(half.heard.at(-2)).toBe('-half-0:1');
  });

  it('leaves a connection on which nothing comes any more', async () => {
    await make('idle-0', { set: 'idle', v: '1' });
    const { reflector, heard } = follow('idle', { idleTimeoutMs: 1500 });
    await until(() => reflector.state.phase === 'watching');
    proxy.hold(); // neither end hears of it
    await make('idle-1', { set: 'idle', v: '1' });
    await until(() => reflector.counts.idle > 0);
    proxy.release();
    await until(() => heard.includes('+idle-1:1'));
    expect(reflector.counts.lists).toBe(1);
  });

  it('takes bookmarks, and begins the next watch when one has run its time', async () => {
    await make('mark-0', { set: 'mark', v: '1' });
    const { reflector, heard } = follow('mark', { watchSeconds: [5, 5] });
    await until(() => reflector.state.phase === 'watching');
    await make('unmarked', { set: 'other' }); // the server gives no bookmark where nothing ever happened
    await until(() => reflector.counts.bookmarks > 0 && reflector.counts.watches > 1);
    await make('mark-1', { set: 'mark', v: '1' });
    await until(() => heard.includes('+mark-1:1'));
    expect(reflector.counts).toMatchObject({ lists: 1, events: 1 });
    expect(reflector.counts.failures.size).toBe(0);
  });

  it('reads what comes in small pieces', async () => {
    for (let i = 0; i < 3; i++) await make(`slow-${i}`, { set: 'slow', v: 'ä€😀'.length.toString() });
    const annotations = { text: `ä€😀 "quoted" \\ {[ ${'x'.repeat(5000)}` };
    await client.apply(SERVICE_ACCOUNTS, {
      metadata: { namespace: 'default', name: 'slow-9', labels: { set: 'slow' }, annotations },
    });
    proxy.cut();
    proxy.slow(7);
    const { reflector } = follow('slow', { pageSize: 2, trim: ({ metadata }) => metadata.annotations?.text ?? '' });
    await reflector.synced;
    expect(reflector.store.get('default/slow-9')).toBe(annotations.text);
    await client.patch(SERVICE_ACCOUNTS, { namespace: 'default', name: 'slow-0' }, { metadata: { annotations } });
    await until(() => reflector.store.get('default/slow-0') === annotations.text);
  });

  it('waits as long as a busy server asks (429), and hammers it not', async () => {
    await make('busy-0', { set: 'busy', v: '1' });
    const user = { token: 'administrator', as: 'jailed', 'as-groups': ['system:authenticated'] };
    const jailed = server.client({ kubeconfig: server.kubeconfig('jailed', user), retries: 0 });
    const jail = await throttle(server, client, jailed, 'jailed');
    const { reflector, states } = follow('busy', {}, jailed);
    await until(() => (reflector.counts.failures.get('429') ?? 0) >= 2);
    const waits = states.filter(({ phase }) => phase === 'waiting');
    for (const { error, retryInMs } of waits) expect(retryInMs).toBeGreaterThanOrEqual(error!.retryAfterMs!);
    expect(waits[0]!.error!.retryAfterMs).toBeGreaterThanOrEqual(1000);
    jail.open();
    await reflector.synced;
    expect(reflector.store.size).toBe(1);
  });

  it('takes the new token once the old one is refused', async () => {
    const account = await make('tokens', { set: 'tokens', v: '1' });
    await client.apply(CLUSTER_ROLE_BINDINGS, {
      metadata: { name: 'tokens' },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
      subjects: [{ kind: 'ServiceAccount', namespace: 'default', name: 'tokens' }],
    });
    const of = { namespace: 'default', name: 'tokens', uid: account.metadata.uid! };
    const file = server.file('token');
    writeFileSync(file, server.token(of, -600)); // ended ten minutes ago
    const user = { tokenFile: file };
    const bearer = server.client({ kubeconfig: server.kubeconfig('tokens', user) });
    const { reflector, states } = follow('tokens', {}, bearer);
    await until(() => (reflector.counts.failures.get('401') ?? 0) >= 2);
    expect(states.at(-1)?.error?.next ?? '').toContain('clocks agree');
    writeFileSync(file, server.token(of, 600));
    await reflector.synced;
    expect([...reflector.store.keys()]).toEqual(['default/tokens']);
  });

  it('says what is missing where it may not list, and goes on once it may', async () => {
    const kubeconfig = server.kubeconfig('later', { token: 'administrator', as: 'later' });
    const { reflector } = follow('none', { resource: kube.CAPTURES }, server.client({ kubeconfig }));
    await until(() => reflector.state.phase === 'waiting');
    expect(reflector.state.error).toMatchObject({
      status: 403,
      message: expect.stringContaining('cannot list resource "captures"'),
    });
    expect(reflector.isSynced).toBe(false);
    reflector.stop();
    await expect(reflector.synced).rejects.toThrow('stopped');
  });

  it("survives a handler's mistake", async () => {
    await put('careless', { set: 'careless' });
    const seen: string[] = [];
    const reflector = kube.reflect(behind, {
      resource: kube.NAMESPACES,
      trim: ({ metadata }) => metadata.name!,
      onUpsert: (name) => {
        seen.push(name);
        throw new Error('careless');
      },
      ...FAST,
    });
    running.push(reflector);
    await reflector.synced;
    expect(seen).toContain('careless');
    expect(reflector.counts.failures.get('handler')).toBe(seen.length);
    expect(reflector.counts.relists).toBe(0);
  });
});

/** Gives a user no seat at the API server but one, and takes that, until `open`. */
async function throttle(server: ApiServer, client: kube.KubeClient, jailed: kube.KubeClient, user: string) {
  const flow = (plural: string, kind: string) =>
    kube.resource<kube.KubeObject & { spec?: object }>('flowcontrol.apiserver.k8s.io', 'v1', plural, kind, false);
  const none = { nominalConcurrencyShares: 0, lendablePercent: 0, borrowingLimitPercent: 0 };
  await client.apply(flow('prioritylevelconfigurations', 'PriorityLevelConfiguration'), {
    metadata: { name: user },
    spec: { type: 'Limited', limited: { ...none, limitResponse: { type: 'Reject' } } },
  });
  const resourceRules = [{ verbs: ['*'], apiGroups: ['*'], resources: ['*'], namespaces: ['*'], clusterScope: true }];
  await client.apply(flow('flowschemas', 'FlowSchema'), {
    metadata: { name: user },
    spec: {
      priorityLevelConfiguration: { name: user },
      matchingPrecedence: 2,
      rules: [{ subjects: [{ kind: 'User', user: { name: user } }], resourceRules }],
    },
  });
  await client.apply(CLUSTER_ROLE_BINDINGS, {
    metadata: { name: user },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'cluster-admin' },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: user }],
  });
  // The server takes up its own configuration in its own time: a request that was begun before holds no seat of it.
  for (;;) {
    const open = server.endlessRequest('/api/v1/namespaces', user);
    for (let tries = 0; tries < 10; tries++) {
      await sleep(50);
      const refused = (error: kube.KubeError) => error.status === 429;
      if (await jailed.get(kube.NAMESPACES, { name: 'default' }).then(() => false, refused)) return { open };
    }
    open();
  }
}
