import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import { type Answer, FakeServer } from '../test/fake-server.ts';
import { kubeClient, type KubeObject, PODS, reflect, type Reflector, type ReflectorState } from './index.ts';

const undo: (() => void)[] = [];
afterEach(() => undo.splice(0).forEach((step) => step()));

const pod = (name: string, version: number, uid = name) => ({
  metadata: { namespace: 'n', name, uid, resourceVersion: `${version}` },
});
const list = (version: number, ...items: KubeObject[]) =>
  JSON.stringify({ apiVersion: 'v1', items, kind: 'PodList', metadata: { resourceVersion: `${version}` } });
const lines = (...events: object[]) => events.map((event) => `${JSON.stringify(event)}\n`).join('');
const event = (type: string, object: object) => ({ type, object });
/** Says its lines and stays. */
const open =
  (text = ''): Answer =>
  (response: ServerResponse) =>
    void response.writeHead(200).write(text || '\n');

async function following(
  answers: readonly Answer[],
  backoffMs: readonly [number, number] = [1, 5],
  more: { readonly fromCache?: boolean } = {},
) {
  const server = new FakeServer(answers);
  const dir = mkdtempSync(join(tmpdir(), 'retina-kube-'));
  const kubeconfig = join(dir, 'config');
  const address = await server.listen();
  writeFileSync(kubeconfig, `{clusters: [{name: a, cluster: {server: "${address}"}}], contexts: [{name: a, context: {cluster: a}}], current-context: a}`); // prettier-ignore
  const client = kubeClient({ kubeconfig });
  const heard: string[] = [];
  const states: ReflectorState[] = [];
  const reflector: Reflector<string> = reflect(client, {
    resource: PODS,
    trim: ({ metadata }) => metadata.resourceVersion,
    onUpsert: (version, key, before) => heard.push(`${before ? '=' : '+'}${key}@${version}`),
    onDelete: (version, key) => heard.push(`-${key}@${version}`),
    onState: (state) => states.push(state),
    backoffMs,
    ...more,
  });
  undo.push(() => {
    reflector.stop();
    client.close();
    server.close();
    rmSync(dir, { recursive: true });
  });
  return { server, reflector, heard, states };
}

const until = async (what: () => boolean) => {
  for (let turns = 0; !what(); turns++) {
    if (turns > 1000) throw new Error('it did not come to pass');
    await sleep(5);
  }
};

it('resumes from the last bookmark', async () => {
  const bookmark = event('BOOKMARK', { metadata: { resourceVersion: '77' } });
  const { server, reflector } = await following([list(5), lines(bookmark), open()]);
  await until(() => server.asked.length >= 3);
  expect(server.asked[1]).toContain('resourceVersion=5&');
  expect(server.asked[1]).toContain('allowWatchBookmarks=true');
  expect(server.asked[2]).toContain('resourceVersion=77&');
  expect(reflector.counts).toMatchObject({ bookmarks: 1, lists: 1 });
});

it('asks ever more seldom where every watch is ended at once', async () => {
  const { server, reflector, states } = await following([list(5), ''], [10, 80]);
  await until(() => reflector.counts.watches >= 6);
  const waits = states.filter(({ phase }) => phase === 'waiting').map(({ retryInMs }) => retryInMs!);
  expect(waits[0]).toBeLessThanOrEqual(10);
  for (const [i, wait] of waits.entries()) expect(wait).toBeGreaterThanOrEqual(Math.min(10 * 2 ** i, 80) / 2);
  expect(server.asked.filter((line) => !line.includes('watch='))).toHaveLength(1);
});

it.each([
  ['an event that is no JSON', '{"type":"ADDED","obj\n', 'malformed'],
  ['an event of another shape', '[1]\n', 'malformed'],
  ['an event without metadata', lines(event('ADDED', {})), 'malformed'],
  ['an event without end', 'x'.repeat(9 << 20), 'malformed'],
  ['an ERROR event (410)', lines(event('ERROR', { kind: 'Status', code: 410, reason: 'Expired' })), '410'],
  ['a version that lies ahead (504)', (r: ServerResponse) => void r.writeHead(504).end('{"reason":"Timeout"}'), '504'],
] as const)('lists again after %s', async (_, answer, cause) => {
  const { reflector, heard } = await following([list(5, pod('a', 1)), answer, list(9, pod('b', 8)), open()]);
  await until(() => reflector.counts.relists === 1 && reflector.state.phase === 'watching');
  expect(heard).toEqual(['+n/a@1', '+n/b@8', '-n/a@1']);
  expect(Object.fromEntries(reflector.counts.failures)).toEqual({ [cause]: 1 });
});

it.each([
  ['that is no JSON', 'Bad Gateway'],
  ['that is cut short', list(5, pod('a', 1)).slice(0, -20)],
  ['whose connection breaks', (r: ServerResponse) => void r.writeHead(200).write('{"items":[', () => r.destroy())],
] as const)('asks again for a list %s, and is not synced by it', async (_, answer) => {
  const { reflector, heard } = await following([answer, list(6, pod('a', 1)), open()]);
  await reflector.synced;
  expect(heard).toEqual(['+n/a@1']);
  expect(reflector.counts).toMatchObject({ lists: 2, relists: 1 });
});

it('is content with what is at hand for its first list alone, where it may be', async () => {
  const gone = lines(event('ERROR', { kind: 'Status', code: 410, reason: 'Expired' }));
  const { server, reflector } = await following([list(5), gone, list(9), open()], [1, 5], { fromCache: true });
  await until(() => reflector.counts.relists === 1 && reflector.state.phase === 'watching');
  const lists = server.asked.filter((line) => !line.includes('watch='));
  expect(lists.map((line) => line.includes('resourceVersion=0'))).toEqual([true, false]);
});

it('tells two objects of one name apart', async () => {
  const again = event('MODIFIED', pod('a', 7, 'another'));
  const { heard } = await following([
    list(5, pod('a', 1)),
    open(lines(again, event('DELETED', pod('a', 8, 'another')))),
  ]);
  await until(() => heard.length === 4);
  expect(heard).toEqual(['+n/a@1', '-n/a@1', '+n/a@7', '-n/a@7']);
});

it('says nothing more once it is stopped', async () => {
  const { reflector, heard } = await following([list(5, pod('a', 1)), open(lines(event('ADDED', pod('b', 6))))]);
  await reflector.synced;
  reflector.stop();
  const before = heard.length;
  await sleep(30);
  expect(heard).toHaveLength(before);
  expect(reflector.state).toEqual({ phase: 'stopped' });
});
