/**
 * What a push of 100 000 series and 50 000 flow records cost, and what becomes of 5 000 and 500 000 records a second: `pnpm bench` in
 * this package. Azure is a process of its own that counts bytes.
 */
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { inspect } from 'node:util';
import { CLIENT, json, KEY, RULE, TENANT } from './azure.ts';
import { Certificates, costOf, flowLoad, podFamily, ReceiverProcess, residentMiB } from '@retina/testkit';
import exporter from '../src/index.ts';
import { context, flowBatch, never } from './context.ts';

const SERIES = 100_000;
const RECORDS = 50_000;
const SECONDS = Number(process.env['SECONDS'] ?? 8);

if (process.argv[2] === 'azure') await receive(process.argv[3]!);
else await measure();

async function receive(folder: string): Promise<void> {
  let bytes = 0;
  const server = createServer({
    cert: readFileSync(`${folder}/server.crt`),
    key: readFileSync(`${folder}/server.key`),
  });
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    request.on('data', (chunk: Buffer) => (bytes += chunk.length));
    request.on('end', () => {
      const base = `https://${request.headers.host}/${TENANT}`;
      const path = request.url ?? '';
      if (path.includes('openid-configuration')) {
        const token_endpoint = `${base}/oauth2/v2.0/token`;
        return json(response, 200, {
          token_endpoint,
          authorization_endpoint: `${base}/a`,
          issuer: `${base}/v2.0`,
          jwks_uri: `${base}/k`,
        });
      }
      if (path.includes('/token'))
        return json(response, 200, { token_type: 'Bearer', expires_in: 3600, access_token: 'token' });
      if (path === '/v2.1/track') return json(response, 200, { errors: [] });
      response.writeHead(204).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  ReceiverProcess.answer((server.address() as { port: number }).port, () => bytes);
}

async function measure(): Promise<void> {
  using certificates = new Certificates();
  const tokenFile = certificates.path('token');
  writeFileSync(tokenFile, 'assertion');
  using azure = await ReceiverProcess.start(import.meta.filename, 'azure', certificates.folder);
  const url = `https://localhost:${azure.port}`;
  const start = residentMiB();
  const { openSink } = await import('../src/sink.ts');
  let value = 1;
  const connectionString = `InstrumentationKey=${KEY};IngestionEndpoint=${url}`;
  const plain = context({ ca: certificates.ca, metrics: { enabled: true, connectionString } }, () => [
    podFamily(SERIES, (i) => (i + 1) * value),
  ]);
  const metrics = await openSink(plain);
  const withMetrics = residentMiB();
  const credential = { type: 'workloadIdentity', tokenFile, tenantId: TENANT, clientId: CLIENT, authorityHost: url, disableInstanceDiscovery: true } as const; // prettier-ignore
  const ctx = context({ ca: certificates.ca, credential, flows: { enabled: true, endpoint: url, ruleId: RULE } });
  const flows = await openSink(ctx);
  await flows.flows!(flowBatch(1), never);
  const withFlows = residentMiB();
  await metrics.metrics!(plain.metrics, never);
  const batch = flowBatch(1000);
  const rows = [
    {
      what: '100k series',
      ...(await costOf(async () => void (value++, await metrics.metrics!(plain.metrics, never)), azure)),
    },
    {
      what: '50k flows',
      ...(await costOf(async () => {
        for (let sent = 0; sent < RECORDS; sent += 1000) await flows.flows!(batch, never);
      }, azure)),
    },
  ];
  const memory = {
    'MiB by metrics': withMetrics - start,
    'and by flows with identity': withFlows - withMetrics,
    RSS: residentMiB(),
  };
  process.stdout.write(`${inspect({ rows, memory }, { depth: 4, breakLength: 120 })}\n`);
  for (const rate of [5000, 500_000]) {
    const options = { ca: certificates.ca, credential, flows: { enabled: true, endpoint: url, ruleId: RULE } };
    const load = await flowLoad({ exporter, options, rate, seconds: SECONDS });
    process.stdout.write(`${rate} records/s: ${inspect(load, { breakLength: 120 })}\n`);
  }
  process.exit(0);
}
