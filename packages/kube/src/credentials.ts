import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { KubeError } from './kube-error.ts';
import type { Access, ExecConfig, Material } from './kubeconfig.ts';

/** What a connection and a request need to be let in. */
export interface Secrets {
  /** Changes with any of `ca`, `cert`, `key`: connections made before bear the old ones. */
  readonly tlsId: string;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly headers: Readonly<Record<string, string | string[]>>;
}

/** Mounted tokens are replaced long before they end; a minute is what Kubernetes' own clients wait. */
const FILE_LIFE_MS = 60_000;
const EXEC_TIMEOUT_MS = 30_000;
/** An expired token is replaced so long before its end, by this machine's clock. */
const EARLY_MS = 10_000;

const answer = z.looseObject({
  kind: z.literal('ExecCredential'),
  status: z.looseObject({
    token: z.string().optional(),
    clientCertificateData: z.string().optional(),
    clientKeyData: z.string().optional(),
    expirationTimestamp: z.iso.datetime({ offset: true }).optional(),
  }),
});

/** Reads and keeps the secrets of one {@link Access}, as often as they may have changed. */
export class Credentials {
  readonly #access: Access;
  #secrets: Secrets | undefined;
  #until = 0;
  #pending: Promise<Secrets> | undefined;

  constructor(access: Access) {
    this.#access = access;
  }

  /** Throws RETINA_KUBE_CONFIG where a file is missing or a program fails. */
  async current(): Promise<Secrets> {
    if (this.#secrets && performance.now() < this.#until) return this.#secrets;
    this.#pending ??= this.#read().finally(() => (this.#pending = undefined));
    return this.#pending;
  }

  /** The server refused `secrets`: the next ones are read anew. */
  refused(secrets: Secrets): void {
    if (this.#secrets === secrets) this.#until = 0;
  }

  async #read(): Promise<Secrets> {
    const { user, ca } = this.#access;
    let life = FILE_LIFE_MS;
    let [cert, key, token] = [await load(user.cert), await load(user.key), await load(user.token)];
    if (user.exec) {
      const { status } = await ask(user.exec);
      token = status.token ?? token;
      cert = status.clientCertificateData ?? cert;
      key = status.clientKeyData ?? key;
      const ends = status.expirationTimestamp;
      life = ends ? Math.max(0, Date.parse(ends) - Date.now() - EARLY_MS) : Infinity;
    }
    const headers: Record<string, string | string[]> = {};
    if (token) headers.authorization = `Bearer ${token.trim()}`;
    else if (user.basic) headers.authorization = `Basic ${user.basic}`;
    if (user.impersonate) {
      headers['impersonate-user'] = user.impersonate.user;
      if (user.impersonate.uid) headers['impersonate-uid'] = user.impersonate.uid;
      if (user.impersonate.groups.length > 0) headers['impersonate-group'] = [...user.impersonate.groups];
    }
    const authority = await load(ca);
    const tlsId = [authority, cert, key].map((part) => part ?? '').join('\0');
    this.#secrets = { tlsId, ca: authority, cert, key, headers };
    this.#until = performance.now() + life;
    return this.#secrets;
  }
}

async function load(material: Material | undefined): Promise<string | undefined> {
  if (!material) return undefined;
  if ('data' in material) return material.data;
  try {
    return await readFile(material.file, 'utf8');
  } catch (error) {
    throw new KubeError('RETINA_KUBE_CONFIG', `${material.file} cannot be read`, {
      found: (error as Error).message,
      next: 'correct the path in the kubeconfig, or mount the file',
      retryable: true,
      cause: error,
    });
  }
}

function ask(exec: ExecConfig): Promise<z.infer<typeof answer>> {
  const info = {
    apiVersion: exec.apiVersion,
    kind: 'ExecCredential',
    spec: { interactive: false, ...(exec.cluster ? { cluster: exec.cluster } : {}) },
  };
  const env = { ...process.env, ...exec.env, KUBERNETES_EXEC_INFO: JSON.stringify(info) };
  return new Promise((resolve, reject) => {
    const refuse = (found: string, cause?: unknown) => {
      const next = exec.installHint?.trim() || `run ${[exec.command, ...exec.args].join(' ')} and see what it says`;
      const summary = `${exec.command} gave no credentials`;
      reject(new KubeError('RETINA_KUBE_CONFIG', summary, { found, next, retryable: true, cause }));
    };
    const options = { env, timeout: EXEC_TIMEOUT_MS, maxBuffer: 1 << 20 };
    const child = execFile(exec.command, [...exec.args], options, (error, stdout, stderr) => {
      if (error) return refuse(stderr.trim().slice(-400) || error.message, error);
      try {
        resolve(answer.parse(JSON.parse(stdout)));
      } catch (cause) {
        refuse(cause instanceof z.ZodError ? z.prettifyError(cause) : (cause as Error).message, cause);
      }
    });
    child.stdin?.end();
  });
}
