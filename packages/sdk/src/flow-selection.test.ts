import { expect, it } from 'vitest';
import { flowSelection } from './flow-selection.ts';
import { FlowWriter } from './flow-writer.ts';

it('takes what one of the wanted filters fits and none of the unwanted, terms that are undefined left out', () => {
  const writer = new FlowWriter(4);
  for (const destinationPort of [53, 80, 443, 8080]) writer.add({ destinationPort });
  const batch = writer.batch();
  const reader = {
    filter: (terms: object) => {
      expect(Object.values(terms)).not.toContain(undefined);
      const { port } = terms as { port: string };
      return (_: unknown, row: number) => port.split(',').includes(String(batch.destinationPort(row)));
    },
  };
  const rows = (include: { port: string }[], exclude: { port: string }[]) => {
    const selected = flowSelection(reader, include.map((one) => ({ ...one, pod: undefined })), exclude);
    return [0, 1, 2, 3].filter((row) => selected(batch, row));
  }; // prettier-ignore
  expect(rows([], [])).toEqual([0, 1, 2, 3]);
  expect(rows([{ port: '80' }, { port: '53,443' }], [])).toEqual([0, 1, 2]);
  expect(rows([], [{ port: '80' }, { port: '53' }])).toEqual([2, 3]);
  expect(rows([{ port: '80,443' }], [{ port: '80' }])).toEqual([2]);
});
