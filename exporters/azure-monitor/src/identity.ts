import { readFile } from 'node:fs/promises';
import type { AccessToken, TokenCredential } from '@azure/core-auth';
import { RetinaError } from '@retina/sdk';
import type { Connections } from './connections.ts';
import type { AzureConfig } from './options.ts';

/** What the agent shows Azure; undefined for a connection string alone. Loads `@azure/identity` only if it is needed. */
export async function credentialOf(
  config: AzureConfig,
  connections: Connections,
): Promise<TokenCredential | undefined> {
  const credential = await unbounded(config, connections);
  return credential && new BoundedCredential(credential, config.timeoutMs);
}

/** A token this close to its end is replaced; if that fails it is used to its end. */
const EARLY_MS = 120_000;

/**
 * Tokens kept and replaced here. The library's policy renews an old token behind the caller's back, for as long as it takes, and if that
 * fails nobody hears the rejection but the process, which ends. It is given tokens that are due, so that it asks every time and waits.
 */
class BoundedCredential implements TokenCredential {
  private readonly inner: TokenCredential;
  private readonly timeoutMs: number;
  private readonly tokens = new Map<string, AccessToken>();

  constructor(inner: TokenCredential, timeoutMs: number) {
    this.inner = inner;
    this.timeoutMs = timeoutMs;
  }

  async getToken(...args: Parameters<TokenCredential['getToken']>): Promise<AccessToken | null> {
    const scope = [args[0]].flat().join(' ');
    const known = this.tokens.get(scope);
    const left = (known?.expiresOnTimestamp ?? 0) - Date.now();
    if (known && left > EARLY_MS) return due(known);
    try {
      const fresh = await this.within(this.inner.getToken(...args));
      if (fresh) this.tokens.set(scope, fresh);
      return fresh && due(fresh);
    } catch (error) {
      if (known && left > 0) return due(known);
      throw error;
    }
  }

  private async within<T>(work: Promise<T>): Promise<T> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      reject(Object.assign(new Error(`no token in ${this.timeoutMs} ms`), { name: 'CredentialTimeout' }));
    }, this.timeoutMs);
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

function due({ token }: AccessToken): AccessToken {
  return { token, expiresOnTimestamp: Date.now() };
}

async function unbounded(config: AzureConfig, connections: Connections): Promise<TokenCredential | undefined> {
  const { type, clientId, tenantId, tokenFile, authorityHost, disableInstanceDiscovery } = config.credential;
  if (type === 'none') return undefined;
  const { ManagedIdentityCredential, WorkloadIdentityCredential } = await import('@azure/identity');
  const common = {
    retryOptions: { maxRetries: 0 }, // the host repeats, and knows when it is useless
    additionalPolicies: [{ policy: connections.policy, position: 'perRetry' as const }],
  };
  if (type === 'managedIdentity') {
    return clientId === undefined
      ? new ManagedIdentityCredential(common)
      : new ManagedIdentityCredential({ ...common, clientId });
  }
  const file = tokenFile ?? process.env['AZURE_FEDERATED_TOKEN_FILE'];
  const tenant = tenantId ?? process.env['AZURE_TENANT_ID'];
  const client = clientId ?? process.env['AZURE_CLIENT_ID'];
  if (!file || !tenant || !client) {
    const missing = [!file && 'tokenFile', !tenant && 'tenantId', !client && 'clientId'].filter(Boolean).join(', ');
    throw new RetinaError('RETINA_SETUP_FAILED', 'workload identity is not set up for this pod', {
      found: `no ${missing}, neither in the options nor in AZURE_FEDERATED_TOKEN_FILE, AZURE_TENANT_ID, AZURE_CLIENT_ID`,
      next: 'label the pod azure.workload.identity/use: "true" and annotate its service account, or give the options',
    });
  }
  await readable(file);
  return new WorkloadIdentityCredential({
    ...common,
    tokenFilePath: file,
    tenantId: tenant,
    clientId: client,
    disableInstanceDiscovery,
    ...(authorityHost !== undefined && { authorityHost }),
  });
}

/** The text of a file that the configuration names. */
export async function readable(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new RetinaError(
      'RETINA_SOURCE_UNREACHABLE',
      `the file ${file} of the Azure Monitor exporter cannot be read`,
      {
        found: (error as NodeJS.ErrnoException).code ?? String(error),
        needed: 'a file this process may read',
        next: 'correct the path, or mount the file',
        cause: error,
      },
    );
  }
}
