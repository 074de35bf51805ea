import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from '@retina/core';
import type { Exporter, PartialDelivery } from '@retina/sdk';
import { replay } from '../replay/index.ts';
import { hasSeries, SERIES, steadySource } from './contract-source.ts';
import type { Watched } from './delivery-rules.ts';
import { type Behaviour, BEHAVIOURS, type ContractReceiver } from './receiver.ts';
import { must, type Rule } from './rule.ts';
import { type Counts, countsOf, mustRun, startHost, stateOf, sumOf } from './run-host.ts';
import { wrapSink } from './wrap-sink.ts';

const PUSH = { interval: '100ms', timeout: '2s', retry: { first: '20ms', longest: '100ms', giveUpAfter: '1m' } };
/** Pushes that are waited for where they succeed. */
const PUSHES = 3;

/** How pushes of metrics ended, by the host's own counts, and what of them the receiver has seen. */
interface Pushes {
  /** Calls by outcome: `delivered`, `partial`, `refused`, `retry`, `timeout`. */
  readonly calls: Counts;
  /** Calls that ended well and in which all series of the suite were there to deliver. */
  readonly whole: number;
  readonly refusedPoints: number;
  readonly offered: number;
  readonly accepted: number;
  readonly causes: readonly string[];
}

const callsOf = (host: Host): Counts => countsOf(host, 'retina_export_calls_total', (label) => label('outcome'));

/** The same exporter; `whole` hears of each of its calls that delivered all series of the suite. */
function told(exporter: Exporter, whole: () => void): Exporter {
  return {
    ...exporter,
    setup: async (ctx) =>
      wrapSink(await exporter.setup(ctx), (call, what) => {
        const all = what === 'metrics' && hasSeries(ctx.metrics);
        const answer = call();
        const done = (said: unknown) => void (all && !(said as PartialDelivery | undefined)?.refused && whole());
        Promise.resolve(answer).then(done, () => undefined);
        return answer;
      }),
  };
}

/** Rules about what becomes of metrics, with a receiver that behaves in turn well and badly. */
export function metricRules(
  exporter: Exporter,
  options: Readonly<Record<string, unknown>>,
  receiver: () => Promise<ContractReceiver>,
  clean: Watched,
): readonly Rule[] {
  const run = async (
    how: Behaviour,
    enough: (calls: Counts) => boolean,
    component = exporter,
    push: object = PUSH,
  ): Promise<Pushes | undefined> => {
    await using there = await receiver();
    if (!(there.behaviours ?? BEHAVIOURS).includes(how)) return undefined;
    there.behave(how);
    let whole = 0;
    const host = await startHost({
      plugins: [[steadySource(), {}]],
      exporters: [[told(component, () => void whole++), { ...options, ...there.options, push }]],
      loader: replay().loader,
    });
    const causes = new Set<string>();
    try {
      mustRun(host, 'exporter', exporter.name);
      host.on('state', ({ causes: all }) => all.forEach(({ code }) => causes.add(code)));
      for (const patience = Date.now() + 20_000; !enough(callsOf(host)) && Date.now() < patience;) await sleep(20);
      stateOf(host, 'exporter', exporter.name).causes.forEach(({ code }) => causes.add(code));
    } finally {
      await host.stop();
    }
    const calls = callsOf(host);
    must(enough(calls), `its pushes came to ${JSON.stringify(calls)}: does its sink have metrics?`);
    const refusedPoints = sumOf(countsOf(host, 'retina_export_refused_points_total', () => ''));
    return { calls, whole, refusedPoints, accepted: there.accepted, offered: there.offered, causes: [...causes] };
  };

  const delivered = async (how: Behaviour, pushes: number) => {
    const found = await run(how, ({ delivered = 0, partial = 0 }) => delivered + partial >= pushes);
    if (!found) return undefined;
    const { calls, whole, accepted, refusedPoints } = found;
    must(!calls['refused'], `${calls['refused']} pushes are said to be refused for good, and the receiver was ${how}`);
    must(refusedPoints === 0, `${refusedPoints} points count as refused, and the receiver refused none`);
    must(accepted >= SERIES * whole, `${whole} pushes of ${SERIES} series count as delivered, but the receiver took ${accepted}`); // prettier-ignore
    return found;
  };

  return [
    {
      name: 'delivers every series with every push, once',
      async check() {
        const found = await delivered('accept', PUSHES);
        if (!found) return;
        const { accepted, whole } = found;
        must(accepted === SERIES * whole, `the receiver took ${accepted} series in ${whole} pushes of ${SERIES}`);
      },
    },
    {
      name: 'delivers metrics all the same when its receiver fails now and then',
      timeoutMs: 60_000,
      check: async () => void (await delivered('flaky', PUSHES)),
    },
    {
      name: 'waits for a receiver of metrics that is busy',
      timeoutMs: 60_000,
      check: async () => void (await delivered('busy', 1)),
    },
    {
      name: 'says that metrics are refused for good, and does not send them again before their time',
      timeoutMs: 60_000,
      async check() {
        const found = await run('refuse', (calls) => sumOf(calls) >= PUSHES);
        if (!found) return;
        const { calls, accepted, offered, refusedPoints, causes } = found;
        const { delivered: good = 0, partial = 0, refused = 0, ...others } = calls;
        must(good === 0, `${good} pushes count as delivered, the receiver took ${accepted} series`);
        must(refused + partial > 0 && sumOf(others) === 0, `its pushes ended as ${JSON.stringify(calls)}; throw RETINA_EXPORT_REFUSED for a 4xx`); // prettier-ignore
        must(partial === 0 || refusedPoints >= SERIES * partial, `only ${refusedPoints} points of ${partial} pushes count as refused`); // prettier-ignore
        must(offered <= SERIES * (refused + partial), `what is refused for good was sent again: ${offered} series in ${refused + partial} pushes`); // prettier-ignore
        must(causes.some((code) => code.startsWith('RETINA_EXPORT_')), 'nothing of it is in its state');
      },
    },
    {
      name: 'ends in time when its receiver of metrics never answers, and leaves nothing behind',
      timeoutMs: 60_000,
      check: () =>
        clean(async (inside) => {
          const slow = { ...PUSH, timeout: '200ms' };
          const found = await run('hang', ({ timeout = 0, retry = 0 }) => timeout + retry > 0, inside(exporter), slow);
          must(!found?.calls['delivered'], `${found?.calls['delivered']} pushes count as delivered`);
        }),
    },
  ];
} // prettier-ignore
