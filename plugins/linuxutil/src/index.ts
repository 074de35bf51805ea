import { API, definePlugin } from '@retina/sdk';
import { config, metrics } from './declarations.ts';
import { InterfaceErrors } from './interface-errors.ts';
import { Problems } from './problems.ts';
import { Tables } from './tables.ts';
import { TcpStates } from './tcp-states.ts';

export default definePlugin({
  name: 'linuxutil',
  api: API,
  description: "The node's sockets by state, protocol counters and interface errors: what netstat, ss and ethtool -S show.",
  stability: 'beta',
  platforms: ['linux'],
  needs: { capabilities: [] },
  config,
  metrics,
  setup(ctx) {
    const label = (text: string) => ctx.label(text);
    const part = { ctx, problems: new Problems(ctx.metrics.linuxutil_read_errors_total, label, ctx.log) };
    const tables = new Tables(part);
    const states = new TcpStates(part, tables);
    const errors = new InterfaceErrors(part);
    for (const read of [() => tables.statistics(), () => states.read(), () => errors.read()]) {
      // Now and every interval, one at a time; none outlives the plugin, and none holds up its start.
      let last = Promise.resolve();
      const next = (): Promise<void> => {
        const reading = last.then(() => (ctx.signal.aborted ? undefined : read()));
        last = reading.catch(() => undefined);
        return reading;
      };
      ctx.defer(() => last);
      ctx.every(ctx.config.intervalMs, next);
      next().catch((error: unknown) => ctx.log.error('the first reading failed', { error: String(error) }));
    }
  },
}); // prettier-ignore
