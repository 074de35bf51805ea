import { Certificates, exporterContract } from '@retina/testkit';
import { afterAll, expect } from 'vitest';
import { Azure, CLIENT, RULE, TENANT } from '../test/azure.ts';
import { behavingAzure, behavingInsights } from '../test/behaving.ts';
import { writeFileSync } from 'node:fs';
import table from '../azure/table.json' with { type: 'json' };
import exporter from './index.ts';

const declared = new Set(table.properties.schema.columns.map(({ name }) => name));

const certificates = new Certificates();
const azure = await Azure.start(certificates);
const tokenFile = certificates.path('token');
writeFileSync(tokenFile, 'assertion');
afterAll(async () => {
  await azure[Symbol.asyncDispose]();
  certificates[Symbol.dispose]();
});

const credential = { type: 'workloadIdentity', tokenFile, tenantId: TENANT, clientId: CLIENT, authorityHost: azure.url, disableInstanceDiscovery: true }; // prettier-ignore
const metrics = { enabled: true, connectionString: azure.connectionString };
const flows = { enabled: true, endpoint: azure.url, ruleId: RULE, windowMs: 200 };

/** Those of the rules about loss, and of the check. */
const started: Azure[] = [];

exporterContract(exporter, {
  module: import.meta.resolve('./index.ts'),
  options: { ca: certificates.ca, credential, metrics, flows },
  receiver: behavingAzure(certificates, (one) => {
    started.push(one);
    return { credential: { ...credential, authorityHost: one.url }, metrics: { ...metrics, connectionString: one.connectionString } };
  }),
  metricReceiver: behavingInsights(certificates, (one) => ({
    credential: { ...credential, authorityHost: one.url },
    metrics: { ...metrics, connectionString: one.connectionString },
  })),
  refused: [
    { metrics: { enabled: false } },
    { metrics: { enabled: true } },
    { metrics: { enabled: true, connectionString: 'InstrumentationKey=key' } },
    { metrics: { ...metrics, connectionStringFile: '/both' } },
    { flows },
    { credential, flows: { ...flows, endpoint: 'http://plain' } },
    { credential, flows: { ...flows, ruleId: 'my-rule' } },
    { credential, flows: { ...flows, stream: 'RetinaFlows_CL' } },
    { credential: { type: 'password' }, metrics },
    { credential: { type: 'managedIdentity', clientId: 'me' }, metrics },
  ],
  unmet: [
    { ca: '/nowhere/ca.crt' },
    { credential: { ...credential, tokenFile: '/nowhere/token' } },
    { metrics: { enabled: true, connectionStringFile: '/nowhere/connection' } },
    { flows: { ...flows, include: [{ ip: 'no address' }] } },
  ],
  async check() {
    const { logs } = started.at(-1)!;
    await expect.poll(() => logs.length, { timeout: 10_000 }).toBeGreaterThan(0);
    const columns = new Set(logs.flatMap(({ items }) => items.flatMap((row: object) => Object.keys(row))));
    expect([...columns].filter((column) => !declared.has(column))).toEqual([]);
  },
}); // prettier-ignore
