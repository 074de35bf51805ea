import { AGENT_IMAGE, apply, json, kubectl, nodes, pods, WORLD, type Pod } from './cluster.ts';
import { run } from './run.ts';

/** Echoes datagrams on 9000 and TCP streams on 9001, for both families, and answers DNS on 5300 for good.example alone. */
const SERVER = `
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
const udp = createSocket({ type: 'udp6', reuseAddr: true });
udp.on('message', (data, { port, address }) => udp.send(data, port, address)).bind(9000, '::');
createServer((socket) => socket.on('error', () => {}).pipe(socket)).listen(9001, '::');
`;

/** argv: address, port, datagrams, bytes. Ends well when each has come back. */
const UDP = `
import { createSocket } from 'node:dgram';
const [host, port, count, bytes] = process.argv.slice(1);
const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
let back = 0, sent = 0;
const next = () => socket.send(Buffer.alloc(Number(bytes)), Number(port), host);
socket.on('message', () => { back++; if (back === Number(count)) process.exit(0); next(); });
setTimeout(() => { console.error(back + ' of ' + count + ' came back'); process.exit(1); }, 10000);
next();
`;

/** argv: address, port, attempts, milliseconds. Prints how each ended. */
const CONNECT = `
import { connect } from 'node:net';
const [host, port, attempts, ms] = process.argv.slice(1);
for (let i = 0; i < Number(attempts); i++) {
  const how = await new Promise((resolve) => {
    const socket = connect({ host, port: Number(port) });
    socket.setTimeout(Number(ms), () => resolve('timeout'));
    socket.on('connect', () => resolve('connected')).on('error', (error) => resolve(error.code));
    socket.on('close', () => {});
    setTimeout(() => socket.destroy(), Number(ms)).unref();
  });
  console.log(how);
}
process.exit(0);
`;

/** argv: server, name, type, milliseconds, tries. Prints answers or the error's code. */
const RESOLVE = `
import { Resolver } from 'node:dns/promises';
const [server, name, type, timeout, tries] = process.argv.slice(1);
const resolver = new Resolver({ timeout: Number(timeout), tries: Number(tries) });
resolver.setServers([server]);
console.log(await resolver.resolve(name, type).then(String, (error) => error.code));
`;

const container = (script: string) => ({
  name: 'main',
  image: AGENT_IMAGE,
  imagePullPolicy: 'IfNotPresent',
  command: ['/usr/local/bin/node', '--input-type=module', '-e', script],
  securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } },
});

const pod = (app: string, node: string, script: string) => ({
  metadata: { labels: { app } },
  spec: {
    nodeName: node,
    terminationGracePeriodSeconds: 0,
    securityContext: { runAsNonRoot: true, runAsUser: 65_532 },
    containers: [container(script)],
  },
});

/** Pods of the tests: a client and a server on the first node, a server of a Deployment on the second, and a service. */
export interface World {
  readonly client: Pod;
  readonly near: Pod;
  readonly far: Pod;
  /** Of the service in front of `far`: its addresses. */
  readonly service: readonly string[];
}

export async function createWorld(): Promise<World> {
  const [first, second] = (await nodes()) as [string, string];
  const deployment = (name: string, node: string) => ({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: WORLD },
    spec: { selector: { matchLabels: { app: name } }, template: pod(name, node, SERVER) },
  });
  const items = [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: WORLD } },
    deployment('near', first),
    deployment('far', second),
    deployment('client', first),
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'far', namespace: WORLD },
      spec: {
        ipFamilyPolicy: 'PreferDualStack',
        selector: { app: 'far' },
        ports: [
          { name: 'udp', port: 80, targetPort: 9000, protocol: 'UDP' },
          { name: 'tcp', port: 80, targetPort: 9001, protocol: 'TCP' },
        ],
      },
    },
  ];
  await apply(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  const ready = ['near', 'far', 'client'].map((name) =>
    kubectl('-n', WORLD, 'rollout', 'status', `deployment/${name}`, '--timeout=60s'),
  );
  await Promise.all(ready);
  const one = async (app: string) => (await pods(WORLD, `app=${app}`))[0]!;
  const service = await json<{ spec: { clusterIPs: readonly string[] } }>('-n', WORLD, 'get', 'service', 'far');
  return { client: await one('client'), near: await one('near'), far: await one('far'), service: service.spec.clusterIPs }; // prettier-ignore
}

/** Its pods are gone when it returns. The namespace stays for the next one: that would have to wait for it to end. */
export async function removeWorld(): Promise<void> {
  const args = ['-n', WORLD, 'delete', 'deployments,services', '--all', '--cascade=foreground', '--wait'];
  await run('kubectl', args, { timeout: 120_000 });
}

/** Runs a script in a pod of the world; its output. */
function inPod({ name }: Pod, script: string, ...args: readonly (string | number)[]): Promise<string> {
  const node = ['/usr/local/bin/node', '--input-type=module', '-e', script, '--', ...args.map(String)];
  return run('kubectl', ['-n', WORLD, 'exec', name, '--', ...node]);
}

/** Sends datagrams of `bytes` bytes and waits until each has come back. */
export async function echo(from: Pod, address: string, port: number, count: number, bytes: number): Promise<void> {
  await inPod(from, UDP, address, port, count, bytes);
}

/** Tries to connect, and says how each attempt ended. */
export async function connects(from: Pod, address: string, port: number, attempts = 1, ms = 500): Promise<string[]> {
  return (await inPod(from, CONNECT, address, port, attempts, ms)).trim().split('\n');
}

export interface Question {
  readonly name: string;
  readonly type?: 'A' | 'AAAA';
  /** Milliseconds until the resolver gives up. */
  readonly timeout?: number;
  readonly tries?: number;
}

/** Asks a DNS server, and returns the answers or the error's code. */
export async function resolves(
  from: Pod,
  server: string,
  { name, type = 'A', timeout = 2000, tries = 1 }: Question,
): Promise<string> {
  // prettier-ignore
  return (await inPod(from, RESOLVE, server, name, type, timeout, tries)).trim();
}
