import { API, defineExporter, flowSelection, RetinaError, type FlowBatch } from '@retina/sdk';
import { Aggregation } from './aggregation.ts';
import { FlowLog } from './flow-log.ts';
import { formatter } from './format.ts';
import { options } from './options.ts';
import { RotatingFile } from './rotating-file.ts';
import { StandardOutput } from './standard-output.ts';

/** Writes flow records as JSON lines. */
export default defineExporter({
  name: 'flowlog',
  api: API,
  description: 'Writes flow records as JSON lines to standard output or to rotated files.',
  stability: 'beta',
  config: options,
  async setup(ctx) {
    const { path, allow, deny, aggregateSeconds, maxAggregates, format, fields } = ctx.config;
    const wanted = flowSelection(ctx.flows, allow, deny);
    const target = ctx.use(
      path === undefined ? new StandardOutput() : await RotatingFile.open({ ...ctx.config, path, log: ctx.log }),
    );
    const line = formatter({ format, fields, version: ctx.host.version });
    const json = (batch: FlowBatch, row: number) => ctx.flows.json(batch, row);
    if (path !== undefined) ctx.serves(`file://${path}`);
    if (aggregateSeconds === 0)
      return { flows: new FlowLog({ target, wanted, render: (b, r) => line(json(b, r)) }).flows };
    const sums = new Aggregation({ target, wanted, json, line, endpoints: ctx.endpoints, maxGroups: maxAggregates });
    let failing: Disposable | undefined;
    ctx.every(aggregateSeconds * 1000, async () => {
      try {
        await sums.write(ctx.signal);
        failing = void failing?.[Symbol.dispose]();
      } catch (error) {
        failing ??= ctx.degrade(
          RetinaError.from(error, 'RETINA_EXPORT_FAILED', 'sums of flow records cannot be written'),
        );
      }
    });
    return { flows: (batch, signal) => sums.add(batch, signal), flush: (signal) => sums.write(signal) };
  },
});
