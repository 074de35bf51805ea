import type { ComponentHealth } from '@retina/sdk';
import type { AgentStatus, DropRow, Loss, Talker, TapReport } from '../api/types.ts';
import { table, type Column } from './table.ts';
import { bytes, clean, count, duration, fit, oneLine, painter, visibleLength, type Paint } from './text.ts';

/** Everything the live screen shows at one moment. */
export interface ScreenModel {
  readonly status: AgentStatus;
  readonly talkers: readonly Talker[];
  readonly drops: readonly DropRow[];
  /** Latest warnings and errors of the log, oldest first. */
  readonly notices: readonly string[];
}

export interface ScreenSize {
  readonly columns: number;
  readonly rows: number;
  readonly colour: boolean;
}

const MIN_WIDTH = 80;
/** Lines of the talkers' and drops' sections that remain on the smallest screen, titles included. */
const MIN_SECTION = 3;

/** The screen's lines: never more than `rows`, none wider than `columns` (at least 80). */
export function renderScreen(model: ScreenModel, { columns, rows, colour }: ScreenSize): string[] {
  const width = Math.max(MIN_WIDTH, columns);
  const paint = painter(colour);
  const { status } = model;
  const head = [headLine(status, width, paint), servedLine(status, width, paint), ''];
  const attached = attachedLines(status, width, paint);
  const losses = ['', lossLine(status, width, paint)];
  const notices = model.notices.slice(-3).map((text) => paint('yellow', fit(clean(text), width)));
  const foot = [...notices, '', paint('dim', 'Ctrl-C ends Retina and leaves nothing behind')];

  const room = Math.max(2 * MIN_SECTION, rows - head.length - attached.length - losses.length - foot.length - 2);
  const dropRows = Math.max(MIN_SECTION, Math.min(model.drops.length + 1, Math.floor(room / 2)));
  const talkers = section(talkerTable(model.talkers, room - dropRows - 1, width), 'no traffic yet', paint);
  const drops = section(dropTable(model.drops, dropRows - 1, width), 'nothing was dropped', paint);
  const lines = [...head, ...attached, '', ...talkers, '', ...drops, ...losses, ...foot];
  return lines.slice(0, Math.max(1, rows));
}

function headLine(status: AgentStatus, width: number, paint: Paint): string {
  const left = paint('bold', `Retina ${status.version}`) + `  ${clean(status.host)}  kernel ${clean(status.kernel)}`;
  const cpu = `${(status.process.cpuRatio * 100).toFixed(1)} % of a core`;
  return justify(left, `up ${duration(status.uptimeSeconds)}  ${cpu}  ${bytes(status.process.rssBytes)}`, width);
}

function servedLine(status: AgentStatus, width: number, paint: Paint): string {
  if (status.endpoints.length === 0) return paint('yellow', 'metrics are served nowhere');
  return fit(`metrics  ${status.endpoints.map(clean).join('  ')}`, width);
}

function attachedLines(status: AgentStatus, width: number, paint: Paint): string[] {
  const lines = [labelled('plugins', componentTexts(status.components, paint), width)];
  const by = (role: TapReport['role']) => status.taps.filter((t) => t.role === role && t.mode !== 'none');
  const modes = [...new Set(status.taps.map((t) => t.mode))].filter((m) => m !== 'none').join(', ') || 'no hook';
  const parts: string[] = [];
  for (const [role, title] of [
    ['uplink', 'uplink'],
    ['endpoint', 'endpoint'],
    ['extra', 'extra'],
  ] as const) {
    const taps = by(role);
    if (taps.length) parts.push(`${plural(taps.length, title)} ${names(taps)}`);
  }
  lines.push(labelled('attached', [parts.length ? `${parts.join(' · ')} (${modes})` : 'no interface'], width));
  const causes = status.components.flatMap((c) => c.causes.map((cause) => `${c.name}: ${cause.message}`));
  const refused = status.taps.filter((t) => t.error).map((t) => `${t.name}: ${t.error}`);
  for (const text of [...causes, ...refused].slice(0, 4)) {
    lines.push(paint('yellow', labelled('without', [clean(text)], width)));
  }
  for (const { message } of status.problems) {
    lines.push(paint('yellow', labelled('amiss', [clean(oneLine(message))], width)));
  }
  return lines;
}

function componentTexts(components: readonly ComponentHealth[], paint: Paint): string[] {
  const style = { running: 'green', degraded: 'yellow', failed: 'red' } as const;
  return components.map(({ name, state }) => {
    const text = state === 'running' ? name : `${name} ${state}`;
    return state in style ? paint(style[state as keyof typeof style], clean(text)) : clean(text);
  });
}

function names(taps: readonly TapReport[]): string {
  const shown = taps.slice(0, 4).map((t) => clean(t.name));
  return taps.length > shown.length ? `${shown.join(' ')} …` : shown.join(' ');
}

const TALKER_COLUMNS: readonly Column<Talker>[] = [
  { title: 'TALKER', value: (t) => `${t.source} → ${t.destination}`, shrinkTo: 30 },
  { title: 'BYTES/S', value: (t) => bytes(t.bytesPerSecond), align: 'right' },
  { title: 'PACKETS/S', value: (t) => count(t.packetsPerSecond), align: 'right' },
  { title: 'BYTES', value: (t) => bytes(t.bytes), align: 'right' },
];

const DROP_COLUMNS: readonly Column<DropRow>[] = [
  { title: 'DROPPED', value: (d) => d.reason, shrinkTo: 24 },
  { title: 'DIRECTION', value: (d) => d.direction },
  { title: 'PACKETS/S', value: (d) => count(d.packetsPerSecond), align: 'right' },
  { title: 'PACKETS', value: (d) => count(d.packets), align: 'right' },
  { title: 'BYTES', value: (d) => bytes(d.bytes), align: 'right' },
];

function talkerTable(rows: readonly Talker[], most: number, width: number): string[] {
  return table(TALKER_COLUMNS, rows.slice(0, Math.max(0, most)), { width });
}

function dropTable(rows: readonly DropRow[], most: number, width: number): string[] {
  return table(DROP_COLUMNS, rows.slice(0, Math.max(0, most)), { width });
}

function section(lines: readonly string[], empty: string, paint: Paint): string[] {
  const [title = '', ...rows] = lines;
  return [paint('bold', title), ...(rows.length ? rows : [paint('dim', empty)])];
}

function lossLine(status: AgentStatus, width: number, paint: Paint): string {
  const total = `${count(status.attributed.packets)} packets, ${bytes(status.attributed.bytes)}, ${count(status.flows)} flows`;
  const lost = status.losses.filter((l) => l.count > 0);
  if (lost.length === 0) return fit(`counted  ${total}; nothing lost`, width);
  const text = `counted  ${total}; not counted there: ${lost.map(lossText).join(', ')}`;
  return paint('yellow', fit(text, width));
}

export function lossText(loss: Loss): string {
  return `${count(loss.count)} ${loss.unit} ${loss.stage}${loss.bytes ? ` (${bytes(loss.bytes)})` : ''}`;
}

/** `label    a · b · c`, as many of the parts as fit. */
function labelled(label: string, parts: readonly string[], width: number): string {
  let line = label.padEnd(9);
  parts.forEach((part, i) => {
    const next = (i ? ' · ' : '') + part;
    const left = width - visibleLength(line);
    if (visibleLength(next) <= left) line += next;
    else if (i === 0) line += fit(part, left);
    else if (!line.endsWith('…') && left >= 2) line += ' …';
  });
  return line;
}

function justify(left: string, right: string, width: number): string {
  const gap = width - visibleLength(left) - right.length;
  return gap >= 2 ? left + ' '.repeat(gap) + right : left;
}

function plural(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}
