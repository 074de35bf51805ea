/** A host in a process of its own, so that it can live in a network namespace; driven over the IPC channel. */
import { readdirSync, readlinkSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { openObject } from '@retina/loader';
import { Host, loadConfig } from '../src/index.ts';
import { memoryLogger, sample } from '../src/host/testing.ts';
import { probe } from './probe.ts';

const [object, yaml] = process.argv.slice(2) as [string, string];
const config = (text: string) => loadConfig({ text, environment: {} }).config;
const components = Object.fromEntries(['a', 'b', 'c'].map((name) => [name, probe(name, pathToFileURL(object))]));
const logger = memoryLogger();
const host = await Host.start(config(yaml), { logger, components });

const crowd: Disposable[] = [];
const answers = {
  taps: () => host.tapList(),
  health: () => host.health(),
  log: () => logger.lines,
  reconcile: (text: string) => host.reconcile(config(text)),
  reload: async (times: number) => {
    for (let n = 1; n <= times; n++) await host.reconcile(config(`plugins: {a: {}, b: {run: ${n}}}\nexporters: {}`));
  },
  /** Packets each probe saw since the host started. */
  counts: () =>
    Object.fromEntries(
      Object.keys(components).map((name) => [
        name,
        ['packets', 'uplink_packets'].flatMap((what) =>
          ['ingress', 'egress'].map(
            (hook) => sample(host.metrics, `networkobservability_${name}_${what}_total`, hook) ?? 0,
          ),
        ),
      ]),
    ),
  resources: () => {
    const found: Record<string, number> = {};
    for (const fd of readdirSync('/proc/self/fd')) {
      try {
        const target = readlinkSync(`/proc/self/fd/${fd}`).replace(/:\[\d+\]$/, '');
        found[target] = (found[target] ?? 0) + 1;
      } catch {
        // the descriptor of the listing itself
      }
    }
    return { fds: found, rss: process.memoryUsage().rss };
  },
  /** Fills both hooks of an interface with programs of others, until the kernel takes no more. */
  crowd: async (ifindex: number) => {
    try {
      for (;;) {
        using spec = openObject(object);
        const others = await spec.load();
        crowd.push(others);
        for (const program of others.programs) {
          for (const hook of ['ingress', 'egress'] as const) crowd.push(await others.attachTap(program, ifindex, hook));
        }
      }
    } catch (error) {
      return String(error);
    }
  },
  disperse: () => crowd.splice(0).forEach((one) => one[Symbol.dispose]()),
  stop: () => host.stop(),
} as const;
export type Answers = typeof answers;

host.on('state', (health) => process.send!({ event: 'state', health, at: Date.now() }));
process.on('message', ({ id, question, argument }: { id: number; question: keyof Answers; argument: never }) => {
  void (async () => answers[question](argument))().then(
    (answer: unknown) => process.send!({ id, answer: answer ?? null }),
    (error: unknown) => process.send!({ id, error: String(error) }),
  );
});
process.send!({ event: 'ready' });
