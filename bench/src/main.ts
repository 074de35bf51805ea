// npm run bench: everything docs promise about cost, in one run.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release } from 'node:os';
import { parseArgs } from 'node:util';
import { NodeWorld, World } from '@retina/testkit';
import { agentCost } from './agent-cost.ts';
import { compare, vanished } from './compare.ts';
import { type Figure, type Report, withinBudget } from './figures.ts';
import { kernelCost } from './kernel-cost.ts';
import { everything, pluginCost } from './plugin-cost.ts';
import { addSource } from './source.ts';
import { scrape } from './scrape.ts';
import { scriptMs } from './script-scale.ts';
import { startUp } from './start-up.ts';
import { table } from './table.ts';
import { throughput } from './throughput.ts';

const BASELINE = new URL('../baseline.json', import.meta.url);
const USAGE = `npm run bench [-- options]

  --quick        fewer and shorter rounds: about three minutes instead of ten
  --only NAMES   of kernel, throughput, agent, plugins, scrape, start; separated by commas
  --json FILE    write the figures there
  --accept       make this run the committed baseline (bench/baseline.json)

Needs root. Exit code 1: a figure is worse than the baseline beyond its tolerance.
`;

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    json: { type: 'string' },
    accept: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
if (process.getuid?.() !== 0) {
  process.stderr.write('The benchmark loads programs into the kernel and needs root: run it with sudo.\n');
  process.exit(2);
}

const { quick } = options;
const only = options.only?.split(',');
const say = (text: string) => process.stderr.write(`${text}\n`);
const figures: Figure[] = [];
let emptyNanos = 0;

async function measure(name: string, work: () => Promise<readonly Figure[]>): Promise<void> {
  if (only && !only.includes(name)) return;
  const start = performance.now();
  figures.push(...(await work()));
  say(`${name}: ${((performance.now() - start) / 1000).toFixed(0)} s`);
}

{
  await using world = await World.create('bench');
  const net = await NodeWorld.create(world, ['a', 'b']);
  // What reaches the second pod on these ports is of no use to anybody: away with it before an ICMP error is sent.
  const sink = 'type filter hook prerouting priority -300;';
  await net.pod('b').namespace.nft(`table inet bench {\nchain sink {\n${sink}\nudp dport 9000-9999 drop\n}\n}\n`);
  const source = await addSource(net);
  await measure('kernel', async () => {
    const cost = await kernelCost(net, source, quick);
    emptyNanos = cost.emptyNanos;
    return cost.figures;
  });
  await measure('throughput', () => throughput(net, quick));
  await measure('agent', () => agentCost(net, source, quick));
  await measure('plugins', async () => {
    const cost = await pluginCost(net, source, quick);
    emptyNanos ||= cost.emptyNanos;
    return [...cost.figures, ...(await everything(net, source, quick))];
  });
  await measure('scrape', () => scrape(quick));
  await measure('start', () => startUp(net, quick));
}

const report: Report = {
  format: 1,
  machine: { kernel: release(), cpu: cpus()[0]?.model ?? '', cpus: cpus().length, node: process.version },
  quick,
  scales: { emptyNanos, scriptMs: scriptMs() },
  figures,
};
const baseline = existsSync(BASELINE) ? (JSON.parse(readFileSync(BASELINE, 'utf8')) as Report) : undefined;
const comparisons = baseline ? compare(report, baseline) : [];
process.stdout.write(`${table(report, comparisons)}\n`);
process.stdout.write(`empty program: ${emptyNanos.toFixed(0)} ns (not part of the figures); Linux ${report.machine.kernel}, ${report.machine.cpus} × ${report.machine.cpu}\n`); // prettier-ignore
if (options.json) writeFileSync(options.json, JSON.stringify(report, null, 2) + '\n');
if (options.accept) {
  if (only) {
    say('--accept needs a whole run: leave --only out.');
    process.exit(2);
  }
  writeFileSync(BASELINE, JSON.stringify(report, null, 2) + '\n');
  say('This run is the baseline now: commit bench/baseline.json, and say why.');
}
const missed = figures.filter((figure) => withinBudget(figure) === false);
if (missed.length) say(`Over budget: ${missed.map(({ id }) => id).join(', ')}`);
const worse = comparisons.filter(({ verdict }) => verdict === 'worse').map(({ id }) => id);
const gone = baseline && !only ? vanished(report, baseline) : [];
if (!options.accept && (worse.length || gone.length)) {
  if (worse.length) say(`Worse than the baseline: ${worse.join(', ')}`);
  if (gone.length) say(`No longer measured: ${gone.join(', ')}`);
  say('If that is right, renew the baseline with --accept and say why in the commit.');
  process.exit(1);
}
