import { AgentClient, type AgentStatus } from '@retina/agent/api';
import { bytes, count, duration, lossText, oneLine } from '@retina/agent/terminal';
import type { AgentOptions } from '../options.ts';
import { paint, tableText, write, writeDocument } from '../output.ts';

/** `retina status` */
export async function status({ socket, output = 'table' }: AgentOptions): Promise<void> {
  const document = await new AgentClient(socket).status();
  if (output === 'json' || output === 'yaml') return writeDocument(document, output);
  const colour = paint();
  const { process: p, attributed } = document;
  const head: readonly (readonly [string, string])[] = [
    ['Agent', `${document.version}, pid ${document.pid}, up ${duration(document.uptimeSeconds)}`],
    ['Host', `${document.host}, kernel ${document.kernel}`],
    ['State', state(document)],
    ['Configuration', document.configuration + (document.demo ? ', with the demonstration' : '')],
    ['Metrics', document.endpoints.join(', ') || 'served nowhere'],
    ['Costs', `${(p.cpuRatio * 100).toFixed(1)} % of a core, ${bytes(p.rssBytes)}`],
    ['Counted', `${count(attributed.packets)} packets, ${bytes(attributed.bytes)}, ${count(document.flows)} flows`],
    [
      'Lost',
      document.losses
        .filter((l) => l.count > 0)
        .map(lossText)
        .join(', ') || 'nothing',
    ],
    ...document.problems.map(({ message }) => ['Amiss', oneLine(message)] as const),
  ];
  for (const [name, text] of head) write(`${colour('bold', `${name}:`.padEnd(15))} ${text}`);
  write('');
  const components = document.components.flatMap((c) =>
    (c.causes.length ? c.causes : [undefined]).map((cause) => ({ ...c, cause })),
  );
  const columns = [
    { title: 'COMPONENT', value: (c: (typeof components)[number]) => c.name },
    { title: 'KIND', value: (c: (typeof components)[number]) => c.kind },
    { title: 'STATE', value: (c: (typeof components)[number]) => c.state },
    { title: 'CAUSE', value: (c: (typeof components)[number]) => c.cause?.message ?? '', shrinkTo: 20 },
  ];
  write(tableText(columns, components, output));
  write('');
  const taps = [
    { title: 'INTERFACE', value: (t: AgentStatus['taps'][number]) => t.name },
    { title: 'INDEX', value: (t: AgentStatus['taps'][number]) => t.ifindex, align: 'right' as const },
    { title: 'ROLE', value: (t: AgentStatus['taps'][number]) => t.role },
    { title: 'MODE', value: (t: AgentStatus['taps'][number]) => t.mode },
    { title: 'NETNS', value: (t: AgentStatus['taps'][number]) => t.peerNetns || '', wide: true },
    { title: 'ERROR', value: (t: AgentStatus['taps'][number]) => t.error ?? '', shrinkTo: 20 },
  ];
  write(tableText(taps, document.taps, output));
}

function state({ live, ready }: AgentStatus): string {
  if (!live) return 'not live';
  return ready ? 'ready' : 'not ready';
}
