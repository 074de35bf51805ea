import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { KubeError } from './kube-error.ts';

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** Bytes that are given in place, or the file that holds them. */
export type Material = { readonly data: string } | { readonly file: string };

/** How a program is asked for a token or a certificate (client.authentication.k8s.io). */
export interface ExecConfig {
  readonly apiVersion: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly installHint: string | undefined;
  /** What the program is told of the cluster, if it asks for it. */
  readonly cluster: Readonly<Record<string, unknown>> | undefined;
}

interface UserConfig {
  readonly cert: Material | undefined;
  readonly key: Material | undefined;
  readonly token: Material | undefined;
  readonly basic: string | undefined;
  readonly exec: ExecConfig | undefined;
  readonly impersonate:
    { readonly user: string; readonly uid?: string; readonly groups: readonly string[] } | undefined;
}

/** One server, and who asks it. */
export interface Access {
  readonly server: URL;
  readonly ca: Material | undefined;
  readonly insecure: boolean;
  /** Name the certificate must bear, where it is not the server's. */
  readonly serverName: string | undefined;
  readonly user: UserConfig;
  readonly namespace: string;
  readonly source: string;
}

const text = z.string().min(1);
const cluster = z.looseObject({
  server: z.url(),
  'certificate-authority': text.optional(),
  'certificate-authority-data': text.optional(),
  'insecure-skip-tls-verify': z.boolean().optional(),
  'tls-server-name': text.optional(),
  'proxy-url': text.optional(),
});
const exec = z.looseObject({
  apiVersion: z.enum(['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1']),
  command: text,
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: text, value: z.string() })).nullish(),
  installHint: z.string().optional(),
  interactiveMode: z.enum(['Never', 'IfAvailable', 'Always']).optional(),
  provideClusterInfo: z.boolean().optional(),
});
const user = z.looseObject({
  'client-certificate': text.optional(),
  'client-certificate-data': text.optional(),
  'client-key': text.optional(),
  'client-key-data': text.optional(),
  token: z.string().optional(),
  tokenFile: text.optional(),
  username: z.string().optional(),
  password: z.string().optional(),
  exec: exec.optional(),
  'auth-provider': z.unknown().optional(),
  as: text.optional(),
  'as-uid': text.optional(),
  'as-groups': z.array(z.string()).optional(),
});
const context = z.looseObject({ cluster: text, user: z.string().optional(), namespace: text.optional() });
const named = <T extends z.ZodType>(key: string, schema: T) =>
  z.array(z.looseObject({ name: text, [key]: schema })).nullish();
const kubeconfig = z.looseObject({
  clusters: named('cluster', cluster),
  users: named('user', user.nullish()),
  contexts: named('context', context),
  'current-context': z.string().optional(),
});

interface Entry<T> {
  readonly value: T;
  /** Relative paths are relative to it. */
  readonly dir: string;
}
interface Merged {
  clusters: Map<string, Entry<z.infer<typeof cluster>>>;
  users: Map<string, Entry<z.infer<typeof user>>>;
  contexts: Map<string, Entry<z.infer<typeof context>>>;
  current: string;
}

export interface AccessOptions {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Where the service account is mounted; for tests. */
  readonly serviceAccount?: string;
}

const fail = (summary: string, found: string | undefined, next: string, cause?: unknown) =>
  new KubeError('RETINA_KUBE_CONFIG', summary, { ...(found ? { found } : {}), next, cause });

/** Finds out which API server to ask, and as whom. Throws RETINA_KUBE_CONFIG. */
export function loadAccess(options: AccessOptions = {}): Access {
  const { env = process.env, serviceAccount = SERVICE_ACCOUNT } = options;
  if (options.kubeconfig) return fromFiles([options.kubeconfig], options.context);
  const listed = (env.KUBECONFIG ?? '').split(delimiter).filter((path) => path && existsSync(path));
  if (listed.length > 0) return fromFiles(listed, options.context);
  if (env.KUBERNETES_SERVICE_HOST && existsSync(join(serviceAccount, 'token'))) return inCluster(env, serviceAccount);
  const own = join(env.HOME ?? homedir(), '.kube', 'config');
  if (existsSync(own)) return fromFiles([own], options.context);
  throw fail(
    'No Kubernetes cluster is configured',
    `KUBECONFIG is ${env.KUBECONFIG ? `"${env.KUBECONFIG}", which is not there` : 'not set'}, no service account is mounted, and there is no ${own}`,
    'set KUBECONFIG to the path of a kubeconfig, or run in a pod that has a service account',
  );
}

function inCluster(env: Readonly<Record<string, string | undefined>>, dir: string): Access {
  const host = env.KUBERNETES_SERVICE_HOST!;
  const server = new URL(`https://${host.includes(':') ? `[${host}]` : host}:${env.KUBERNETES_SERVICE_PORT ?? 443}`);
  const namespaceFile = join(dir, 'namespace');
  const namespace = existsSync(namespaceFile) ? readFileSync(namespaceFile, 'utf8').trim() : 'default';
  const none = { cert: undefined, key: undefined, basic: undefined, exec: undefined, impersonate: undefined };
  return {
    server,
    ca: { file: join(dir, 'ca.crt') },
    insecure: false,
    serverName: undefined,
    user: { ...none, token: { file: join(dir, 'token') } },
    namespace,
    source: `service account at ${dir}`,
  };
}

function fromFiles(files: readonly string[], wanted?: string): Access {
  const merged: Merged = { clusters: new Map(), users: new Map(), contexts: new Map(), current: '' };
  for (const file of files) addFile(merged, file);
  const source = files.join(delimiter);
  const name = wanted ?? merged.current;
  const entry = merged.contexts.get(name);
  if (!entry) {
    const known = [...merged.contexts.keys()].map((key) => `"${key}"`).join(', ') || 'none';
    const what = name ? `The kubeconfig has no context "${name}"` : 'The kubeconfig has no current context';
    throw fail(what, `contexts of ${source}: ${known}`, 'name one of them, or run kubectl config use-context NAME');
  }
  const { value: chosen } = entry;
  const at = merged.clusters.get(chosen.cluster);
  if (!at) throw fail(`Context "${name}" names a cluster that is not in ${source}`, chosen.cluster, 'add the cluster');
  const as = chosen.user ? merged.users.get(chosen.user) : undefined;
  if (chosen.user && !as) throw fail(`Context "${name}" names a user that is not in ${source}`, chosen.user, 'add it');
  if (at.value['proxy-url'])
    throw fail(
      `Cluster "${chosen.cluster}" is reached through a proxy, which is not supported`,
      `proxy-url ${at.value['proxy-url']}`,
      'use an address that is reached directly',
    );
  return {
    server: new URL(at.value.server),
    ca: material(at, 'certificate-authority'),
    insecure: at.value['insecure-skip-tls-verify'] ?? false,
    serverName: at.value['tls-server-name'],
    user: userOf(chosen.user ?? '', as, at.value),
    namespace: chosen.namespace ?? 'default',
    source,
  };
}

function addFile(merged: Merged, file: string): void {
  let document: unknown;
  try {
    document = parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw fail(`The kubeconfig ${file} cannot be read`, (error as Error).message, 'correct the file', error);
  }
  const result = kubeconfig.safeParse(document ?? {});
  if (!result.success) {
    throw fail(`The kubeconfig ${file} has mistakes`, z.prettifyError(result.error), 'correct the file', result.error);
  }
  const dir = dirname(resolve(file));
  const add = (
    into: Map<string, Entry<never>>,
    list: readonly Record<string, unknown>[] | null | undefined,
    key: string,
  ) => {
    for (const item of list ?? []) {
      const name = item.name as string; // the first file to name it wins
      if (!into.has(name)) into.set(name, { value: (item[key] ?? {}) as never, dir });
    }
  };
  add(merged.clusters as never, result.data.clusters, 'cluster');
  add(merged.users as never, result.data.users, 'user');
  add(merged.contexts as never, result.data.contexts, 'context');
  merged.current ||= result.data['current-context'] ?? '';
}

/** `key-data` in base64 wins over the file that `key` names. */
function material(entry: Entry<Record<string, unknown>>, key: string): Material | undefined {
  const data = entry.value[`${key}-data`];
  if (typeof data === 'string') return { data: Buffer.from(data, 'base64').toString('utf8') };
  const file = entry.value[key];
  return typeof file === 'string' ? { file: resolve(entry.dir, file) } : undefined;
}

function userOf(name: string, entry: Entry<z.infer<typeof user>> | undefined, at: z.infer<typeof cluster>): UserConfig {
  const value = entry?.value ?? {};
  if (value['auth-provider'])
    throw fail(
      `User "${name}" has an auth-provider, which Kubernetes no longer has`,
      JSON.stringify(value['auth-provider']).slice(0, 80),
      'use an exec plugin, such as kubelogin or gke-gcloud-auth-plugin',
    );
  if (value.exec?.interactiveMode === 'Always')
    throw fail(`User "${name}" must be asked in person`, 'interactiveMode Always', 'use a user that needs no terminal');
  const dir = entry?.dir ?? '.';
  const command = value.exec?.command ?? '';
  return {
    cert: entry && material(entry, 'client-certificate'),
    key: entry && material(entry, 'client-key'),
    token: value.tokenFile ? { file: resolve(dir, value.tokenFile) } : value.token ? { data: value.token } : undefined,
    basic: value.username ? Buffer.from(`${value.username}:${value.password ?? ''}`).toString('base64') : undefined,
    exec: value.exec && {
      apiVersion: value.exec.apiVersion,
      command: command.includes('/') ? resolve(dir, command) : command,
      args: value.exec.args ?? [],
      env: Object.fromEntries((value.exec.env ?? []).map((item) => [item.name, item.value])),
      installHint: value.exec.installHint,
      cluster: value.exec.provideClusterInfo ? { ...at } : undefined,
    },
    impersonate: value.as
      ? { user: value.as, groups: value['as-groups'] ?? [], ...(value['as-uid'] ? { uid: value['as-uid'] } : {}) }
      : undefined,
  };
}
