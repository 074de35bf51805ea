/**
 * What a push of 100 000 series and 50 000 flow records cost: `pnpm bench` in this package. Azure is a process of its own that counts
 * bytes. A turn is measured by the processor time between two turns of the event loop, so that what else runs on the machine does not
 * show as a pause.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import { inspect } from 'node:util';
import type { MetricFamily } from '@retina/sdk';
import { CLIENT, json, KEY, RULE, TENANT } from './azure.ts';
import { Certificates } from '@retina/testkit';
import { context, flowBatch, never } from './context.ts';

const SERIES = 100_000;
const RECORDS = 50_000;

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
  process.on('message', () => process.send!(bytes));
  process.send!((server.address() as { port: number }).port);
}

async function measure(): Promise<void> {
  using certificates = new Certificates();
  const tokenFile = certificates.path('token');
  writeFileSync(tokenFile, 'assertion');
  const child = fork(import.meta.filename, ['azure', certificates.folder], { execArgv: process.execArgv });
  const [port] = (await once(child, 'message')) as [number];
  const url = `https://localhost:${port}`;
  const wire = async () => {
    child.send('bytes');
    return ((await once(child, 'message')) as [number])[0];
  };
  const start = rss();
  const { openSink } = await import('../src/sink.ts');
  let value = 1;
  const connectionString = `InstrumentationKey=${KEY};IngestionEndpoint=${url}`;
  const plain = context({ ca: certificates.ca, metrics: { enabled: true, connectionString } }, () => [
    pods(SERIES, () => value),
  ]);
  const metrics = await openSink(plain);
  const withMetrics = rss();
  const credential = { type: 'workloadIdentity', tokenFile, tenantId: TENANT, clientId: CLIENT, authorityHost: url, disableInstanceDiscovery: true } as const; // prettier-ignore
  const ctx = context({ ca: certificates.ca, credential, flows: { enabled: true, endpoint: url, ruleId: RULE } });
  const flows = await openSink(ctx);
  await flows.flows!(flowBatch(1), never);
  const withFlows = rss();
  await metrics.metrics!(plain.metrics, never);
  const batch = flowBatch(1000);
  const rows = [
    {
      what: '100k series',
      ...(await cost(async () => void (value++, await metrics.metrics!(plain.metrics, never)), wire)),
    },
    {
      what: '50k flows',
      ...(await cost(async () => {
        for (let sent = 0; sent < RECORDS; sent += 1000) await flows.flows!(batch, never);
      }, wire)),
    },
  ];
  const memory = {
    'MiB by metrics': withMetrics - start,
    'and by flows with identity': withFlows - withMetrics,
    RSS: rss(),
  };
  process.stdout.write(`${inspect({ rows, memory }, { depth: 4, breakLength: 120 })}\n`);
  child.kill();
  process.exit(0);
}

async function cost(work: () => Promise<void>, wire: () => Promise<number>) {
  const bytes = await wire();
  const cpu = process.cpuUsage();
  const began = performance.now();
  await work();
  const { user, system } = process.cpuUsage(cpu);
  const wall = performance.now() - began;
  const sent = (await wire()) - bytes;
  const turns = longestTurn(); // it keeps the loop busy, so it watches a run of its own
  await work();
  return {
    'CPU ms': Math.round((user + system) / 1000),
    'wall ms': Math.round(wall),
    'longest turn ms': turns(),
    'wire MB': Math.round(sent / 1e4) / 100,
  };
}

/** Watches the event loop; the result ends that and says the most processor time, in milliseconds, that one turn took. */
function longestTurn(): () => number {
  let longest = 0;
  let last = process.threadCpuUsage();
  let watching = true;
  const look = () => {
    const { user, system } = process.threadCpuUsage(last);
    longest = Math.max(longest, user + system);
    last = process.threadCpuUsage();
    if (watching) setImmediate(look);
  };
  setImmediate(look);
  return () => {
    watching = false;
    return Math.round(longest / 100) / 10;
  };
}

function rss(): number {
  globalThis.gc?.();
  return Math.round(process.memoryUsage().rss / 2 ** 20);
}

function pods(n: number, value: () => number): MetricFamily {
  const label = [
    () => 'ingress',
    (i: number) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`,
    (i: number) => `namespace-${i % 50}`,
    (i: number) => `web-7d4b9c6f5-${i.toString(36)}`,
    () => 'Deployment',
    (i: number) => `web-${i % 2000}`,
  ];
  return {
    name: 'networkobservability_adv_forward_bytes', help: 'Bytes forwarded.', kind: 'counter', unit: 'bytes',
    labels: ['direction', 'ip', 'namespace', 'podname', 'workload_kind', 'workload_name'], size: n,
    live: () => true, value: (i) => (i + 1) * value(), label: (i, j) => label[j]!(i), created: () => 1_700_000_000_000,
  }; // prettier-ignore
}
