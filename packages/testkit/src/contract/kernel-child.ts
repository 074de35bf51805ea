// Runs inside a namespace: the plugin under a real host with the real loader. Says "running" when traffic may come, goes on
// when a line arrives on standard input, and ends with its findings as a line of JSON.
import { once } from 'node:events';
import type { Host } from '@retina/core';
import type { Plugin } from '@retina/sdk';
import { descriptors } from '../agent/usage.ts';
import { recorder } from '../replay/recorder.ts';
import { writeRecording } from '../replay/recording.ts';
import type { KernelFindings, KernelTask } from './kernel-types.ts';
import { handlerErrors, impossibleValues, memoryLogger, startHost, stateOf } from './run-host.ts';

const NETLINK_ROUTE = 0;
const RTM_GETLINK = 18;
const NLM_F_DUMP = 0x300;
const IFINFOMSG_BYTES = 16;

const task = JSON.parse(process.argv[2]!) as KernelTask;
const plugin = ((await import(task.module)) as { default: Plugin }).default;
const loader = await import('@retina/loader');
const recording = task.record === undefined ? undefined : recorder(loader);
const logger = memoryLogger();

const start = (): Promise<Host> =>
  startHost({ plugins: [[plugin, task.options]], loader: recording?.loader ?? loader, logger });
const stop = async (host: Host) => {
  await host.stop();
  await loader.settled();
};

// A first run makes what stays for the life of the process: the native thread, the barrier's maps. The thread for netlink
// comes with the first request, which a plugin may make long after its start.
await stop(await startHost({ plugins: [[plugin, task.options]], loader, logger }));
const interfaces = {
  family: NETLINK_ROUTE,
  type: RTM_GETLINK,
  flags: NLM_F_DUMP,
  payload: new Uint8Array(IFINFOMSG_BYTES),
};
await loader.netlinkRequest(interfaces, () => undefined);
await loader.settled();
const before = descriptors();
const host = await start();
process.stdout.write('running\n');
await once(process.stdin, 'data');
const found = {
  health: stateOf(host, 'plugin', plugin.name),
  handlerErrors: handlerErrors(host),
  impossible: impossibleValues(host),
};
await stop(host);
const afterFirst = descriptors();
if (recording && task.record !== undefined) writeRecording(task.record, recording.recording());
for (let i = 0; i < task.restarts; i++) await stop(await start());
const findings: KernelFindings = {
  ...found,
  before,
  afterFirst,
  afterLast: descriptors(),
  batches: recording?.recording().batches.length ?? 0,
  errors: logger.entries.filter(({ level }) => level === 'error').map(({ message, fields }) => `${message} ${JSON.stringify(fields)}`), // prettier-ignore
};
process.stdout.write(`${JSON.stringify(findings)}\n`);
process.exit(0);
