import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createSign, generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { get, request } from 'node:https';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { kubeClient, type KubeClient, type KubeClientOptions } from '../src/index.ts';
import { readAll } from '../src/transport.ts';

const ISSUER = 'https://kubernetes.default.svc.cluster.local';
const ADMIN_TOKEN = 'administrator';

/** Where etcd and kube-apiserver are; undefined if they are not on this machine. */
export function binaries(): string | undefined {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'retina-cluster');
  const versions = existsSync(cache) ? readdirSync(cache).filter((name) => name.startsWith('v')) : [];
  const path = process.env.PATH?.split(delimiter) ?? [];
  const found = [
    process.env.RETINA_KUBE_BIN,
    ...versions
      .sort()
      .reverse()
      .map((version) => join(cache, version, 'bin')),
    ...path,
  ];
  return found.find((dir) => dir && ['etcd', 'kube-apiserver'].every((name) => existsSync(join(dir, name))));
}

/** Why tests against a real API server are left out; undefined if they can run. Under CI they must. */
export const whySkipped =
  binaries() || process.env.CI === 'true' ? undefined : 'no etcd and kube-apiserver in ~/.cache/retina-cluster';

/** etcd and kube-apiserver on loopback, without nodes. */
export class ApiServer {
  readonly #dir = mkdtempSync(join(tmpdir(), 'retina-kube-'));
  readonly #key = generateKeyPairSync('rsa', { modulusLength: 2048 });
  readonly #flags: readonly string[];
  readonly #clients: KubeClient[] = [];
  port = 0;
  #etcdPort = 0;
  #etcd: ChildProcess | undefined;
  #server: ChildProcess | undefined;

  constructor(flags: readonly string[]) {
    this.#flags = flags;
  }

  /** Ready when it returns; `flags` are kube-apiserver's. */
  static async start(...flags: string[]): Promise<ApiServer> {
    const server = new ApiServer(flags);
    await server.#begin();
    return server;
  }

  async #begin(): Promise<void> {
    let peerPort: number;
    [this.port, this.#etcdPort, peerPort] = [await freePort(), await freePort(), await freePort()];
    writeFileSync(join(this.#dir, 'sa.key'), this.#key.privateKey.export({ type: 'pkcs8', format: 'pem' }), {
      mode: 0o600,
    });
    writeFileSync(join(this.#dir, 'sa.pub'), this.#key.publicKey.export({ type: 'spki', format: 'pem' }));
    writeFileSync(join(this.#dir, 'tokens.csv'), `${ADMIN_TOKEN},admin,admin,system:masters\n`, { mode: 0o600 });
    certificates(this.#dir);
    const etcd = `http://127.0.0.1:${this.#etcdPort}`;
    this.#etcd = this.#spawn('etcd', [
      `--data-dir=${join(this.#dir, 'etcd')}`,
      '--unsafe-no-fsync',
      `--listen-client-urls=${etcd}`,
      `--advertise-client-urls=${etcd}`,
      `--listen-peer-urls=http://127.0.0.1:${peerPort}`,
    ]);
    await this.up();
  }

  /** Starts the API server, again if it was killed. */
  async up(): Promise<void> {
    const file = (name: string) => join(this.#dir, name);
    this.#server = this.#spawn('kube-apiserver', [
      `--etcd-servers=http://127.0.0.1:${this.#etcdPort}`,
      '--etcd-compaction-interval=0',
      '--bind-address=127.0.0.1',
      `--secure-port=${this.port}`,
      `--tls-cert-file=${file('server.crt')}`,
      `--tls-private-key-file=${file('server.key')}`,
      `--client-ca-file=${file('ca.crt')}`,
      `--token-auth-file=${file('tokens.csv')}`,
      '--authorization-mode=RBAC',
      `--service-account-issuer=${ISSUER}`,
      `--service-account-key-file=${file('sa.pub')}`,
      `--service-account-signing-key-file=${file('sa.key')}`,
      '--service-cluster-ip-range=10.96.0.0/16',
      '--disable-admission-plugins=ServiceAccount',
      '--endpoint-reconciler-type=none',
      ...this.#flags,
    ]);
    const client = this.client({ retries: 0 });
    for (let tries = 0; ; tries++) {
      try {
        if ((await client.raw('/readyz')) === 'ok') break;
      } catch (error) {
        if (this.#server.exitCode !== null || tries > 900)
          throw new Error(`kube-apiserver: ${this.log()}`, { cause: error });
      }
      await sleep(100);
    }
    client.close();
  }

  /** Ends the API server as a crash would; etcd runs on. */
  async kill(): Promise<void> {
    await end(this.#server);
  }

  /** Forgets everything older than now: continue tokens and watches from before are gone. */
  async compact(): Promise<void> {
    const ask = async (path: string, body: object) => {
      const response = await fetch(`http://127.0.0.1:${this.#etcdPort}/v3/${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
      });
      return (await response.json()) as { header: { revision: string } };
    };
    const { header } = await ask('kv/range', { key: 'AA==' });
    await ask('kv/compaction', { revision: header.revision, physical: true });
  }

  /** A kubeconfig of its own; `user` as in the file. `port` for a proxy before it. */
  kubeconfig(name: string, user: object = { token: ADMIN_TOKEN }, port: number = this.port): string {
    const path = join(this.#dir, `${name}.kubeconfig`);
    const cluster = { server: `https://127.0.0.1:${port}`, 'certificate-authority': 'ca.crt' };
    const config = {
      clusters: [{ name, cluster }],
      users: [{ name, user }],
      contexts: [{ name, context: { cluster: name, user: name, namespace: 'default' } }],
      'current-context': name,
    };
    writeFileSync(path, JSON.stringify(config), { mode: 0o600 });
    return path;
  }

  /** The administrator's client. Closed with the server. */
  client(options: KubeClientOptions = {}): KubeClient {
    const client = kubeClient({ kubeconfig: this.kubeconfig('admin'), userAgent: 'retina-test/1', ...options });
    this.#clients.push(client);
    return client;
  }

  /** A client certificate of the server's authority: `{ client-certificate, client-key }` for {@link kubeconfig}. */
  certificate(name: string, group: string): object {
    certificate(this.#dir, name, `/O=${group}/CN=${name}`);
    return { 'client-certificate': `${name}.crt`, 'client-key': `${name}.key` };
  }

  /** As {@link certificate}, also for a server on loopback, but it ended yesterday. */
  endedCertificate(name: string, group: string): object {
    endedCertificate(this.#dir, name, `/O=${group}/CN=${name}`);
    return { 'client-certificate': `${name}.crt`, 'client-key': `${name}.key` };
  }

  /** A token of a service account, signed as the server does. */
  token(account: { namespace: string; name: string; uid: string }, lifeSeconds: number): string {
    const now = Math.floor(Date.now() / 1000);
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const { namespace, name, uid } = account;
    const claims = {
      iss: ISSUER, aud: [ISSUER], sub: `system:serviceaccount:${namespace}:${name}`,
      iat: now - 3600, nbf: now - 3600, exp: now + lifeSeconds,
      'kubernetes.io': { namespace, serviceaccount: { name, uid } },
    }; // prettier-ignore
    const signed = `${part({ alg: 'RS256', typ: 'JWT' })}.${part(claims)}`;
    return `${signed}.${createSign('RSA-SHA256').update(signed).sign(this.#key.privateKey, 'base64url')}`;
  }

  /** What kubectl shows of a path: columns and rows. */
  async table(path: string): Promise<unknown> {
    const accept = 'application/json;as=Table;v=v1;g=meta.k8s.io';
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, accept };
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const ca = readFileSync(join(this.#dir, 'ca.crt'));
    get({ host: '127.0.0.1', port: this.port, path, headers, ca }, (response) => {
      readAll(response).then((text) => resolve(JSON.parse(text)), reject);
    }).on('error', reject);
    return promise;
  }

  /** A request that is under way, as `user`, until the function that this returns is called. */
  endlessRequest(path: string, user: string): () => void {
    const ca = readFileSync(join(this.#dir, 'ca.crt'));
    const headers = {
      authorization: `Bearer ${ADMIN_TOKEN}`,
      'impersonate-user': user,
      'content-type': 'application/json',
    };
    const endless = request({ host: '127.0.0.1', port: this.port, path, method: 'POST', headers, ca, agent: false });
    endless.on('error', () => undefined);
    endless.write('{');
    return () => endless.destroy();
  }

  /** A path inside its directory. */
  file(name: string): string {
    return join(this.#dir, name);
  }

  /** The end of what it wrote. */
  log(): string {
    return readFileSync(join(this.#dir, 'kube-apiserver.log'), 'utf8').slice(-2000);
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await Promise.all([end(this.#server), end(this.#etcd)]);
    rmSync(this.#dir, { recursive: true, force: true });
  }

  #spawn(name: string, args: readonly string[]): ChildProcess {
    const dir = binaries();
    if (!dir) throw new Error('no etcd and kube-apiserver: build them, or set RETINA_KUBE_BIN');
    const log = openSync(join(this.#dir, `${name}.log`), 'a');
    // Should this process die, its children must not stay.
    return spawn('setpriv', ['--pdeathsig', 'KILL', join(dir, name), ...args], { stdio: ['ignore', log, log] });
  }
}

function certificates(dir: string): void {
  writeFileSync(join(dir, 'openssl.cnf'), '[req]\ndistinguished_name=dn\n[dn]\n');
  openssl(dir, 'ca', '/CN=ca', [
    '-addext',
    'basicConstraints=critical,CA:TRUE',
    '-addext',
    'keyUsage=keyCertSign,cRLSign',
  ]);
  certificate(dir, 'server', '/CN=kube-apiserver', ['-addext', 'subjectAltName=IP:127.0.0.1']);
}

function certificate(dir: string, name: string, subject: string, more: readonly string[] = []): void {
  const use = ['-addext', 'basicConstraints=critical,CA:FALSE', '-addext', 'extendedKeyUsage=serverAuth,clientAuth'];
  openssl(dir, name, subject, ['-CA', 'ca.crt', '-CAkey', 'ca.key', ...use, ...more]);
}

const NEW_KEY = ['-config', 'openssl.cnf', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc'];

function openssl(dir: string, name: string, subject: string, args: readonly string[]): void {
  const out = ['-subj', subject, '-days', '2', '-keyout', `${name}.key`, '-out', `${name}.crt`];
  execFileSync('openssl', ['req', '-x509', ...NEW_KEY, ...out, ...args], { cwd: dir, stdio: 'pipe' });
}

function endedCertificate(dir: string, name: string, subject: string): void {
  const use =
    'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\nsubjectAltName=IP:127.0.0.1\n';
  writeFileSync(join(dir, 'use.cnf'), use);
  const run = (...args: string[]) => execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
  run('req', '-new', ...NEW_KEY, '-subj', subject, '-keyout', `${name}.key`, '-out', `${name}.csr`);
  const authority = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial'];
  run('x509', '-req', '-in', `${name}.csr`, ...authority, '-days', '-1', '-extfile', 'use.cnf', '-out', `${name}.crt`);
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await new Promise((resolve) => child.once('exit', resolve));
}
