import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type KubeClient, KubeError, NAMESPACES, PODS, resource, retinaCrds } from '../src/index.ts';
import { CUSTOM_RESOURCE_DEFINITIONS, type Pod } from '../src/index.ts';
import { ApiServer, whySkipped } from './api-server.ts';

interface ConfigMap extends Pod {
  data?: Record<string, string>;
}
const CONFIG_MAPS = resource<ConfigMap>('', 'v1', 'configmaps', 'ConfigMap');

describe.skipIf(whySkipped)(`a client (${whySkipped ?? 'real API server'})`, () => {
  let server: ApiServer;
  let client: KubeClient;

  beforeAll(async () => {
    server = await ApiServer.start();
    client = server.client();
  });
  afterAll(() => server?.stop());

  it('creates, reads, patches, replaces and deletes', async () => {
    const at = { namespace: 'default', name: 'one' };
    const made = await client.create(CONFIG_MAPS, { metadata: at, data: { a: '1' } });
    expect(made.metadata.uid).toBeTruthy();
    await expect(client.create(CONFIG_MAPS, { metadata: at })).rejects.toMatchObject({
      status: 409,
      reason: 'AlreadyExists',
    });
    expect((await client.patch(CONFIG_MAPS, at, { data: { a: null, b: '2' } })).data).toEqual({ b: '2' });
    await expect(client.replace(CONFIG_MAPS, { ...made, data: {} })).rejects.toMatchObject({
      status: 409,
      reason: 'Conflict',
    });
    expect(await client.delete(CONFIG_MAPS, at, { uid: made.metadata.uid! })).toBe(true);
    expect(await client.delete(CONFIG_MAPS, at)).toBe(false);
    expect(await client.get(CONFIG_MAPS, at)).toBeUndefined();
  });

  it('applies what is its own and leaves what is not', async () => {
    const at = { namespace: 'default', name: 'shared' };
    await client.apply(CONFIG_MAPS, { metadata: at, data: { a: '1', b: '2' } }, { fieldManager: 'one' });
    await client.apply(CONFIG_MAPS, { metadata: at, data: { c: '3' } }, { fieldManager: 'two' });
    await expect(
      client.apply(CONFIG_MAPS, { metadata: at, data: { a: '9' } }, { fieldManager: 'two', force: false }),
    ).rejects.toMatchObject({ status: 409 });
    const after = await client.apply(CONFIG_MAPS, { metadata: at, data: { a: '1' } }, { fieldManager: 'one' });
    expect(after.data).toEqual({ a: '1', c: '3' }); // b was its own and is no longer said
  });

  it('lists page by page', async () => {
    for (let i = 0; i < 7; i++)
      await client.apply(NAMESPACES, { metadata: { name: `page-${i}`, labels: { page: 'yes' } } });
    const names: string[] = [];
    const before = client.requests.get('list 200') ?? 0;
    for await (const { metadata } of client.list(NAMESPACES, { labelSelector: 'page=yes', limit: 2 }))
      names.push(metadata.name!);
    expect(names).toEqual(Array.from({ length: 7 }, (_, i) => `page-${i}`));
    expect(client.requests.get('list 200')! - before).toBe(4);
  });

  it('lists custom resources, whose answers have their keys in another order', async () => {
    for (const crd of retinaCrds()) await client.apply(CUSTOM_RESOURCE_DEFINITIONS, crd);
    const names: string[] = [];
    for await (const { metadata } of client.list(CUSTOM_RESOURCE_DEFINITIONS, { limit: 2 })) names.push(metadata.name!);
    expect(names).toContain('captures.retina.sh');
  });

  it('authenticates by certificate, and says who may what', async () => {
    const kubeconfig = server.kubeconfig('nobody', server.certificate('nobody', 'people'));
    const nobody = server.client({ kubeconfig });
    const failure = await nobody
      .get(PODS, { namespace: 'default', name: 'x' })
      .catch((error: unknown) => error as KubeError);
    expect(failure).toBeInstanceOf(KubeError);
    expect(failure).toMatchObject({ code: 'RETINA_KUBE_REFUSED', status: 403, reason: 'Forbidden' });
    expect((failure as KubeError).message).toContain('User "nobody" cannot get resource "pods"');
    expect(await nobody.can('list', PODS)).toBe(false);
    expect(await client.can('list', PODS)).toBe(true);
  });

  it('says that its certificate has ended, and takes the next one', async () => {
    const kubeconfig = server.kubeconfig('ended', server.endedCertificate('ended', 'people'));
    const ended = server.client({ kubeconfig });
    const ask = () => ended.get(PODS, { namespace: 'default', name: 'x' });
    await expect(ask()).rejects.toMatchObject({
      code: 'RETINA_KUBE_REFUSED',
      status: 401,
      next: expect.stringMatching(/certificate is one of this cluster and has not ended, and that clocks agree/),
    });
    server.certificate('ended', 'people'); // into the same files
    await expect(ask()).rejects.toThrow('User "ended" cannot get resource "pods"');
  });

  it('says that the certificate of the server has ended', async () => {
    server.endedCertificate('old', 'servers');
    const [cert, key] = ['old.crt', 'old.key'].map((name) => readFileSync(server.file(name)));
    const old = createServer({ cert: cert!, key: key! }).listen(0, '127.0.0.1');
    await once(old, 'listening');
    const { port } = old.address() as AddressInfo;
    try {
      const kubeconfig = server.kubeconfig('to-old', { token: 'administrator' }, port);
      await expect(server.client({ kubeconfig, retries: 0 }).raw('/version')).rejects.toMatchObject({
        code: 'RETINA_KUBE_UNREACHABLE',
        found: 'certificate has expired',
        next: "renew the certificate, or set this machine's clock",
      });
    } finally {
      old.close();
    }
  });

  it('may stand for another', async () => {
    const kubeconfig = server.kubeconfig('as', { token: 'administrator', as: 'carol', 'as-groups': ['people'] });
    await expect(server.client({ kubeconfig }).get(PODS, { namespace: 'a', name: 'x' })).rejects.toThrow(
      'User "carol"',
    );
  });

  it('takes tokens from a program, again when they are refused', async () => {
    const account = await client.create(resource('', 'v1', 'serviceaccounts', 'ServiceAccount'), {
      metadata: { namespace: 'default', name: 'asker' },
    });
    const { namespace, name, uid } = account.metadata as { namespace: string; name: string; uid: string };
    const { writeFileSync } = await import('node:fs');
    const answer = (token: string) =>
      JSON.stringify({ apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token } });
    const [good, bad, mark] = ['good.json', 'bad.json', 'asked'].map((file) => server.file(file)) as [
      string,
      string,
      string,
    ];
    writeFileSync(good, answer(server.token({ namespace, name, uid }, 600)));
    writeFileSync(bad, answer(server.token({ namespace, name, uid }, -600)));
    const script = `test -e ${mark} && cat ${good} || cat ${bad}; touch ${mark}`; // first an ended one
    const exec = { apiVersion: 'client.authentication.k8s.io/v1', command: 'sh', args: ['-c', script] };
    const asker = server.client({ kubeconfig: server.kubeconfig('asker', { exec }) });
    await expect(asker.get(PODS, { namespace, name: 'x' })).rejects.toThrow('system:serviceaccount:default:asker');
    expect([...asker.requests]).toEqual([['get 401', 1], ['get 403', 1]]); // prettier-ignore
  });
});
