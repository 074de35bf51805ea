import { createInterface } from 'node:readline';
import * as loader from '@retina/loader';
import { LocalIdentity } from '../src/identity/local.ts';
import { EndpointTable } from '../src/identity/table.ts';

/** Follows the namespace it runs in; answers each line of input with what it knows: endpoints, interfaces to names, namespaces to names. */
const table = new EndpointTable({ lingerMs: 0 });
const identity = new LocalIdentity({ table, network: loader, hostName: 'host' });
await identity.refresh();
for await (const line of createInterface(process.stdin)) {
  table.sweep();
  const [ifindexes, inodes] = JSON.parse(line) as [number[], number[]];
  const name = (id: number) => table.byId(id).name;
  const endpoints = [...table.list()].map((e) => ({ kind: e.kind, name: e.name, addresses: e.addresses }));
  process.stdout.write(`${JSON.stringify({
    endpoints,
    interfaces: ifindexes.map((i) => name(table.byInterface(i))),
    namespaces: inodes.map((i) => name(table.byNetns(i))),
  })}\n`); // prettier-ignore
}
identity[Symbol.dispose]();
