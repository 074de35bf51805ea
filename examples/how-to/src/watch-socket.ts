import { createConnection } from 'node:net';
import { API, definePlugin, RetinaError } from '@retina/sdk';
import { z } from 'zod';

/** A line that is longer is no message: nobody makes us keep it. */
const MAX_LINE = 64 * 1024;

export default definePlugin({
  name: 'socket-events',
  api: API,
  description: 'Counts the events that a local daemon reports on its socket, as lines of JSON.',
  stability: 'experimental',
  platforms: ['linux'],
  needs: { capabilities: [], mounts: ['/run'] },
  config: z.strictObject({
    socket: z.string().min(1).default('/run/daemon/events.sock').describe('The unix socket to listen to.'),
    retrySeconds: z.number().min(0.05).default(5).describe('Seconds between two attempts to connect.'),
  }),
  metrics: {
    // maxSeries: whoever writes to the socket must not be able to fill our memory with names.
    socket_events_total: { kind: 'counter', help: 'Events by name.', labels: ['event'], maxSeries: 100 },
    socket_bad_lines_total: { kind: 'counter', help: 'Lines that were not understood.', labels: ['cause'] },
  },
  setup(ctx) {
    const [noEvent, tooLong] = [ctx.label('no_event'), ctx.label('too_long')];
    const lines = new Lines(
      (line) => {
        const event = eventOf(line);
        if (event !== undefined) ctx.metrics.socket_events_total.add(1, ctx.label(event));
        else ctx.metrics.socket_bad_lines_total.add(1, noEvent);
      },
      () => ctx.metrics.socket_bad_lines_total.add(1, tooLong),
    );
    let connection: ReturnType<typeof createConnection> | undefined;
    let missing: Disposable | undefined;

    const connect = () => {
      if (connection || ctx.signal.aborted) return;
      let why = 'it was closed at the other end';
      connection = createConnection(ctx.config.socket)
        .setEncoding('utf8')
        .on('connect', () => {
          missing?.[Symbol.dispose]();
          missing = undefined;
        })
        .on('data', (text) => lines.push(String(text)))
        .on('error', (error) => (why = error.message))
        .on('close', () => {
          connection = undefined;
          lines.clear();
          if (ctx.signal.aborted) return;
          missing ??= ctx.degrade(
            new RetinaError('RETINA_SOURCE_UNREACHABLE', `no connection to ${ctx.config.socket}`, {
              found: why,
              next: 'start the daemon, or correct the option "socket"; it is tried again',
              retryable: true,
            }),
          );
        });
    };
    // Handed over before it is opened: whatever fails from here on, the host ends the connection.
    ctx.defer(() => void connection?.destroy());
    ctx.every(ctx.config.retrySeconds * 1000, connect);
  },
});

function eventOf(line: string): string | undefined {
  try {
    const { event } = JSON.parse(line) as { readonly event?: unknown };
    return typeof event === 'string' && /^[a-z0-9_.-]{1,64}$/.test(event) ? event : undefined;
  } catch {
    return undefined;
  }
}

/** Cuts a stream of text into lines, none of which is kept beyond MAX_LINE. */
class Lines {
  private readonly line: (line: string) => void;
  private readonly tooLong: () => void;
  private rest = '';
  private skipping = false;

  constructor(line: (line: string) => void, tooLong: () => void) {
    this.line = line;
    this.tooLong = tooLong;
  }

  push(text: string): void {
    const parts = (this.rest + text).split('\n');
    this.rest = parts.pop()!;
    for (const part of parts) {
      if (this.skipping) this.skipping = false;
      else if (part.length > MAX_LINE) this.tooLong();
      else if (part !== '') this.line(part);
    }
    if (this.rest.length <= MAX_LINE) return;
    if (!this.skipping) this.tooLong();
    this.skipping = true;
    this.rest = '';
  }

  clear(): void {
    this.rest = '';
    this.skipping = false;
  }
}
