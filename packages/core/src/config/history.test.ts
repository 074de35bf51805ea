import { describe, expect, it } from 'vitest';
import { loadConfig, parseConfig } from './load.ts';

const history = (yaml: string) =>
  loadConfig({ text: `plugins: {}\nflows: { history: ${yaml} }`, file: '/etc/retina/config.yaml', environment: {} })
    .config.flows.history;

describe('flows.history', () => {
  it('is a number of records, or says where they are kept and for how long', () => {
    expect(history('7')).toEqual({ records: 7, maxAgeMs: undefined, disk: undefined });
    expect(history('{ maxAge: 30m }')).toEqual({ records: 4096, maxAgeMs: 1_800_000, disk: undefined });
    expect(history('{ records: 0, directory: history, maxBytes: 5000000 }')).toEqual({
      records: 0,
      maxAgeMs: undefined,
      disk: { directory: '/etc/retina/history', maxBytes: 5_000_000, maxAgeMs: 86_400_000 },
    });
    expect(loadConfig({ text: 'plugins: {}', environment: {} }).config.flows.history.records).toBe(4096);
  });

  it.each(['-1', '{ maxAge: 30 }', '{ maxAge: 0s }', '{ maxBytes: 1000 }', '{ directory: "" }', '{ folder: x }'])('is not %s', (yaml) => {
    const { problems } = parseConfig({ text: `plugins: {}\nflows: { history: ${yaml} }`, environment: {} });
    expect(problems).toHaveLength(1);
  }); // prettier-ignore
});
