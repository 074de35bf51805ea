// Runs on the kernel under test, in an emulator or natively, as root: writes lines of JSON to standard output.
import { readFileSync } from 'node:fs';
import { kernelFeatures } from '@retina/loader';
import type { Line, Task } from '../results.ts';
import { testClock } from './clock.ts';
import { testFloor } from './floor.ts';
import { testPlugin } from './plugin.ts';
import { testRights } from './rights.ts';

const task = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as Task;
const kernel = kernelFeatures();
const write = (line: Line) => void process.stdout.write(`${JSON.stringify(line)}\n`);

write({ kind: 'kernel', release: kernel.release, seconds: process.uptime() });
for (const plugin of task.plugins) write({ kind: 'plugin', result: await testPlugin(plugin, kernel) });
write({ kind: 'rights', result: await testRights(task, kernel) });
// once is enough, on the kernel nearest to the floor
if (kernel.version[0] === 5) {
  write({ kind: 'floor', result: await testFloor(task) });
  if (task.ownClock) write({ kind: 'clock', result: await testClock(task, kernel) });
}
write({ kind: 'end', seconds: process.uptime() });
