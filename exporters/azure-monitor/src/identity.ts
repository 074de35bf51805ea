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

/** The library waits for an authority that does not answer as long as it likes. */
class BoundedCredential implements TokenCredential {
  private readonly inner: TokenCredential;
  private readonly timeoutMs: number;

  constructor(inner: TokenCredential, timeoutMs: number) {
    this.inner = inner;
    this.timeoutMs = timeoutMs;
  }

  async getToken(...args: Parameters<TokenCredential['getToken']>): Promise<AccessToken | null> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      reject(Object.assign(new Error(`no token in ${this.timeoutMs} ms`), { name: 'CredentialTimeout' }));
    }, this.timeoutMs);
    try {
      return await Promise.race([this.inner.getToken(...args), late]);
    } finally {
      clearTimeout(timer);
    }
  }
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
