import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from '@retina/core';
import type { Exporter, FlowValues } from '@retina/sdk';
import { replay } from '../replay/index.ts';
import { countedSource } from './contract-source.ts';
import { type Behaviour, BEHAVIOURS, type ContractReceiver } from './receiver.ts';
import { must, type Rule } from './rule.ts';
import { type Counts, countsOf, mustRun, startHost, stateOf, sumOf } from './run-host.ts';

const RECORDS = 5000;
const STEP = 500;
/** Quick, and with few records in a call so that there are calls enough to go wrong. */
const PUSH = {
  batch: 500,
  wait: '50ms',
  timeout: '2s',
  retry: { first: '20ms', longest: '100ms', giveUpAfter: '1m' },
};

/** What became of flow records, by the host's own counts. */
interface Fate {
  readonly seen: number;
  readonly delivered: number;
  readonly lost: Counts;
}

function fateOf(host: Host): Fate {
  const total = (name: string) => sumOf(countsOf(host, name, () => ''));
  return {
    seen: total('retina_export_records_total'),
    delivered: total('retina_export_delivered_records_total'),
    lost: countsOf(host, 'retina_export_lost_records_total', (label) => label('cause')),
  };
}

interface Found extends Fate {
  readonly accepted: number;
  readonly offered: number;
  readonly causes: readonly string[];
}

export type Watched = (work: (inside: (component: Exporter) => Exporter) => Promise<void>) => Promise<void>;

/** Rules about what becomes of each flow record, with a receiver that behaves in turn well and badly. */
export function deliveryRules(
  exporter: Exporter,
  options: Readonly<Record<string, unknown>>,
  receiver: () => Promise<ContractReceiver>,
  clean: Watched,
  record: FlowValues = {},
): readonly Rule[] {
  const run = async (how: Behaviour, component = exporter, push: object = PUSH): Promise<Found | undefined> => {
    await using there = await receiver();
    if (!(there.behaviours ?? BEHAVIOURS).includes(how)) return undefined;
    there.behave(how);
    const counted = countedSource(record);
    const given = { ...options, ...there.options, push };
    const host = await startHost({
      plugins: [[counted.plugin, {}]],
      exporters: [[component, given]],
      loader: replay().loader,
    });
    const causes = new Set<string>();
    try {
      mustRun(host, 'exporter', exporter.name);
      host.on('state', ({ causes: all }) => all.forEach(({ code }) => causes.add(code)));
      for (let sent = 0; sent < RECORDS; sent += STEP) {
        counted.emit(STEP);
        await sleep(2);
      }
      const patience = Date.now() + (how === 'hang' ? 500 : 20_000);
      for (let fate = fateOf(host); fate.delivered + sumOf(fate.lost) < RECORDS; fate = fateOf(host)) {
        if (Date.now() > patience) break; // the end of the host decides about the rest
        await sleep(20);
      }
      stateOf(host, 'exporter', exporter.name).causes.forEach(({ code }) => causes.add(code));
    } finally {
      await host.stop();
    }
    const fate = fateOf(host);
    must(fate.seen === RECORDS, `of ${RECORDS} flow records ${fate.seen} came to it: does its sink have flows?`);
    const known = fate.delivered + sumOf(fate.lost);
    must(known === RECORDS, `${RECORDS} records, but ${fate.delivered} delivered and ${sumOf(fate.lost)} lost`);
    return { ...fate, accepted: there.accepted, offered: there.offered, causes: [...causes] };
  };

  const everything = async (how: Behaviour) => {
    const found = await run(how);
    if (!found) return;
    const { delivered, accepted, lost } = found;
    must(accepted <= RECORDS, `the receiver took ${accepted} records of ${RECORDS}: some of them twice`);
    must(delivered === RECORDS, `${delivered} of ${RECORDS} records are delivered; lost: ${JSON.stringify(lost)}`);
    must(accepted === RECORDS, `the receiver took ${accepted} records, but ${delivered} are counted as delivered`);
  };

  return [
    { name: 'delivers every flow record once', check: () => everything('accept') },
    {
      name: 'loses nothing and sends nothing twice when its receiver fails now and then',
      timeoutMs: 60_000,
      check: () => everything('flaky'),
    },
    {
      name: 'waits for a receiver that is busy, and loses nothing',
      timeoutMs: 60_000,
      check: () => everything('busy'),
    },
    {
      name: 'counts what is refused for good as lost, says so, and does not send it again',
      timeoutMs: 60_000,
      async check() {
        const found = await run('refuse');
        if (!found) return;
        const { delivered, accepted, offered, lost, causes } = found;
        must(delivered === 0, `${delivered} records are counted as delivered, the receiver took ${accepted}`);
        must(offered <= RECORDS, `what is refused for good was sent again: ${offered} records for ${RECORDS}`);
        const { refused = 0, shutdown = 0 } = lost;
        must(refused > 0 && refused + shutdown === RECORDS, `lost are ${JSON.stringify(lost)}; throw RETINA_EXPORT_REFUSED for a 4xx`); // prettier-ignore
        must(causes.some((code) => code.startsWith('RETINA_EXPORT_')), 'nothing of it is in its state'); // prettier-ignore
      },
    },
    {
      name: 'ends in time and counts everything when its receiver never answers, and leaves nothing behind',
      timeoutMs: 60_000,
      check: () =>
        clean(async (inside) => {
          const found = await run('hang', inside(exporter), { ...PUSH, timeout: '200ms' });
          if (!found) return;
          must(found.delivered === 0, `${found.delivered} records are counted as delivered`);
        }),
    },
  ];
}
