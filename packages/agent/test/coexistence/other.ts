// Somebody else's program on one hook: attached first of all, as long as this process lives. Prints its count for each line
// it reads. Arguments: object, program, interface, direction.
import { interfaces, openObject } from '@retina/loader';

const [object, program, name, direction] = process.argv.slice(2) as [string, string, string, 'ingress' | 'egress'];
const ifindex = (await interfaces()).find((one) => one.name === name)!.ifindex;
const loaded = await openObject(object).load();
await loaded.attachTap(program, ifindex, direction, 'tcx');
process.stdout.write('ready\n');
process.stdin.on('data', () => process.stdout.write(`count ${loaded.counters('seen')[0]}\n`));
