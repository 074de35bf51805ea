import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { loadAccess } from './kubeconfig.ts';

const dir = mkdtempSync(join(tmpdir(), 'retina-kubeconfig-'));
afterAll(() => rmSync(dir, { recursive: true }));

const file = (name: string, text: string) => {
  const path = join(dir, name);
  writeFileSync(path, text);
  return path;
};
const one = `
current-context: here
clusters: [{name: a, cluster: {server: "https://a:6443/base", certificate-authority: pki/ca.crt}}]
contexts: [{name: here, context: {cluster: a, user: u, namespace: shop}}, {name: lost, context: {cluster: none}}]
users: [{name: u, user: {token: first}}]
`;
const nowhere = { HOME: dir };

it('reads a file: the current context, or the one asked for; relative paths are relative to the file', () => {
  const path = file('one', one);
  const access = loadAccess({ env: { KUBECONFIG: path } });
  expect(access).toMatchObject({
    namespace: 'shop',
    source: path,
    ca: { file: join(dir, 'pki/ca.crt') },
    insecure: false,
  });
  expect(access.server.href).toBe('https://a:6443/base');
  expect(access.user.token).toEqual({ data: 'first' });
  expect(() => loadAccess({ kubeconfig: path, context: 'lost' })).toThrow('names a cluster that is not in');
  expect(() => loadAccess({ kubeconfig: path, context: 'other' })).toThrow('contexts of ' + path + ': "here", "lost"');
});

it('merges files: who comes first wins; files that are missing are left out', () => {
  const path = file('one', one);
  const two = file(
    'two',
    'users: [{name: u, user: {token: second}}, {name: v, user: {username: x, password: y}}]\ncurrent-context: lost\n',
  );
  const access = loadAccess({
    env: { KUBECONFIG: [join(dir, 'missing'), two, path].join(delimiter) },
    context: 'here',
  });
  expect(access.user.token).toEqual({ data: 'second' });
});

it('takes the service account of a pod, on IPv6 too', () => {
  const serviceAccount = join(dir, 'account');
  mkdirSync(serviceAccount, { recursive: true });
  for (const [name, text] of [['token', 't'], ['ca.crt', 'c'], ['namespace', 'observe\n']] as const) writeFileSync(join(serviceAccount, name), text); // prettier-ignore
  const env = { ...nowhere, KUBERNETES_SERVICE_HOST: 'fd00::1', KUBERNETES_SERVICE_PORT: '443' };
  const access = loadAccess({ env, serviceAccount });
  expect(access.server.href).toBe('https://[fd00::1]/');
  expect(access).toMatchObject({ namespace: 'observe', user: { token: { file: join(serviceAccount, 'token') } } });
});

it.each([
  ['', 'no current context', 'kubectl config use-context'],
  ['{', 'cannot be read', 'correct the file'],
  ['clusters: [{name: a, cluster: {}}]', 'has mistakes', 'clusters[0].cluster.server'],
  [one.replace('token: first', 'auth-provider: {name: gcp}'), 'auth-provider', 'exec plugin'],
  [one.replace('token: first', 'exec: {apiVersion: client.authentication.k8s.io/v1, command: x, interactiveMode: Always}'), 'in person', 'no terminal'],
  [one.replace('certificate-authority', 'proxy-url: "http://p", certificate-authority'), 'through a proxy', 'reached directly'],
  [one.replace('user: u', 'user: w'), 'names a user', 'w'],
])('says what is wrong with %j', (text, what, next) => {
  const load = () => loadAccess({ kubeconfig: file('wrong', text) });
  expect(load).toThrow(what);
  expect(load).toThrow(next);
}); // prettier-ignore

it('says where it looked when there is nothing', () => {
  const load = () => loadAccess({ env: { ...nowhere, KUBECONFIG: '/missing' }, serviceAccount: '/missing' });
  expect(load).toThrow('KUBECONFIG is "/missing", which is not there, no service account is mounted');
  expect(load).toThrow(`there is no ${join(dir, '.kube', 'config')}`);
});
