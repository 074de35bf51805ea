import { FlowWriter, type FlowJson, type FlowPredicate } from '@retina/sdk';
import { expect, test } from 'vitest';
import { parseAddress } from '../identity/address.ts';
import { exporter, plugin, startHost, until } from './testing.ts';

test('an exporter reads records as JSON with names and by filter, late ones too', async () => {
  const writer = new FlowWriter(2);
  for (const last of [1, 2]) {
    writer.add({ family: 4, sourceAddress: parseAddress(`10.0.0.${last}`)!, destinationAddress: parseAddress('10.9.9.9')!, protocol: 17, packets: last }); // prettier-ignore
  }
  const lines: FlowJson[] = [];
  const refused: string[] = [];
  const source = plugin('source', { setup: (ctx) => ctx.every(5, () => ctx.flows.emit(writer.batch())) });
  const sink = exporter('sink', {
    setup(ctx) {
      const wanted: FlowPredicate = ctx.flows.filter({ pod: 'shop/web', protocol: ['udp', 'tcp'] });
      try {
        ctx.flows.filter({ port: 'http' });
      } catch (error) {
        refused.push((error as { code: string }).code);
      }
      return {
        flows(batch) {
          for (let row = 0; row < batch.length; row++) if (wanted(batch, row)) lines.push(ctx.flows.json(batch, row));
        },
      };
    },
  });
  const host = await startHost([source, sink]);
  host.endpoints
    .provider(10)
    .put({ key: 'web', kind: 'pod', namespace: 'shop', name: 'web-1', addresses: ['10.0.0.1'] });
  await until(() => lines.length > 0, 'a record comes');
  await host.stop();
  expect(refused).toEqual(['RETINA_REQUEST_INVALID']);
  expect(new Set(lines.map(({ packets }) => packets))).toEqual(new Set([1]));
  expect(lines[0]).toMatchObject({ source: { namespace: 'shop', pod_name: 'web-1' }, node_name: host.config.nodeName });
});
