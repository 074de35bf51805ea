import { FLOW_FILTER_KEYS } from '@retina/sdk';
import { z } from 'zod';

const file = z.string().min(1);
const https = z.string().refine((text) => URL.canParse(text) && new URL(text).protocol === 'https:', {
  error: 'must be a URL that begins with https://',
});
const guid = z.string().regex(/^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i, { error: 'must be a GUID' });

const filterTerms = z.partialRecord(
  z.enum(FLOW_FILTER_KEYS),
  z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
);

const credential = z
  .strictObject({
    type: z
      .enum(['none', 'workloadIdentity', 'managedIdentity'])
      .default('none')
      .describe('none: the connection string alone (metrics only).'),
    clientId: guid
      .optional()
      .describe('Client id of the identity; default AZURE_CLIENT_ID, or the system-assigned one.'),
    tenantId: guid.optional().describe('Workload identity: the tenant; default AZURE_TENANT_ID.'),
    tokenFile: file
      .optional()
      .describe('Workload identity: file with the federated token; default AZURE_FEDERATED_TOKEN_FILE.'),
    authorityHost: https
      .optional()
      .describe('Where tokens are issued, for other clouds; default AZURE_AUTHORITY_HOST, or the public one.'),
    disableInstanceDiscovery: z
      .boolean()
      .default(false)
      .describe('Do not ask the public cloud whether authorityHost is genuine: private clouds.'),
  })
  .prefault({})
  .describe('Who the agent is for Azure.');

const metrics = z
  .strictObject({
    enabled: z.boolean().default(false).describe('Whether metrics are sent to Application Insights.'),
    connectionString: z
      .string()
      .refine((text) => connection(text) !== undefined, {
        error: 'must hold InstrumentationKey=<GUID>, and IngestionEndpoint=https://… if any',
      })
      .optional()
      .describe('Connection string of the Application Insights resource.'),
    connectionStringFile: file.optional().describe('File with it instead: a mounted secret.'),
    itemsPerRequest: z.int().min(1).max(5000).default(500).describe('Most items in one request.'),
  })
  .refine((m) => !m.enabled || (m.connectionString === undefined) !== (m.connectionStringFile === undefined), {
    error: 'metrics need connectionString or connectionStringFile, one of them',
  })
  .prefault({})
  .describe('Metrics, to Application Insights (table customMetrics, or AppMetrics in Log Analytics).');

const flows = z
  .strictObject({
    enabled: z.boolean().default(false).describe('Whether flow records are sent to Log Analytics.'),
    endpoint: https
      .optional()
      .describe('Logs ingestion endpoint of the data collection rule or data collection endpoint.'),
    ruleId: z
      .string()
      .regex(/^dcr-[0-9a-f]{32}$/, {
        error: 'must be the immutable id of a data collection rule: dcr- and 32 hexadecimal digits',
      })
      .optional()
      .describe('Immutable id of the data collection rule.'),
    stream: z
      .string()
      .regex(/^Custom-[A-Za-z0-9_]+$/, { error: 'must begin with Custom-' })
      .default('Custom-RetinaFlows_CL')
      .describe('Stream of the rule.'),
    audience: https
      .default('https://monitor.azure.com')
      .describe(
        'What tokens are for: https://monitor.azure.us in Azure Government, https://monitor.azure.cn in China.',
      ),
    include: z.array(filterTerms).default([]).describe('Only flows that one of these filters fits; none: all.'),
    exclude: z.array(filterTerms).default([]).describe('Not the flows that one of these filters fits.'),
    windowMs: z
      .int()
      .min(100)
      .max(300_000)
      .default(10_000)
      .describe('Longest a record waits to be sent, in milliseconds.'),
    batch: z.int().min(1).max(16_384).default(4096).describe('Most records of one window.'),
  })
  .refine((f) => !f.enabled || (f.endpoint !== undefined && f.ruleId !== undefined), {
    error: 'flows need endpoint and ruleId of a data collection rule',
  })
  .prefault({})
  .describe('Flow records, to a custom table of Log Analytics by the Logs Ingestion API.');

export const config = z
  .object({
    credential,
    metrics,
    flows,
    timeoutMs: z.int().min(100).max(300_000).default(15_000).describe('Milliseconds one request may take.'),
    ca: file
      .optional()
      .describe('File with certificates to trust beside the usual ones: a proxy that opens TLS, a private link.'),
  })
  .refine((c) => c.metrics.enabled || c.flows.enabled, {
    error: 'nothing would be sent: enable metrics or flows',
    path: ['metrics', 'enabled'],
  })
  .refine((c) => !c.flows.enabled || c.credential.type !== 'none', {
    error: 'flows need an identity: set type to workloadIdentity or managedIdentity',
    path: ['credential', 'type'],
  });

export type AzureConfig = z.output<typeof config>;

export interface Connection {
  readonly instrumentationKey: string;
  /** Without a slash at the end. */
  readonly endpoint: string;
  readonly audience: string;
}

/** A connection string read; undefined if it is none. Keys are in any case. */
export function connection(text: string): Connection | undefined {
  const parts = new Map(
    text
      .split(';')
      .map((part) => part.split(/=(.*)/s))
      .map(([key = '', value = '']) => [key.trim().toLowerCase(), value.trim()]),
  );
  const instrumentationKey = parts.get('instrumentationkey') ?? '';
  const suffix = parts.get('endpointsuffix');
  const endpoint =
    parts.get('ingestionendpoint') ?? (suffix ? `https://dc.${suffix}` : 'https://dc.services.visualstudio.com');
  if (!guid.safeParse(instrumentationKey).success || !https.safeParse(endpoint).success) return undefined;
  const audience = parts.get('aadaudience') ?? 'https://monitor.azure.com';
  return { instrumentationKey, endpoint: endpoint.replace(/\/+$/, ''), audience: audience.replace(/\/+$/, '') };
}
