import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { flowBatch, flowJson } from '../test/context.ts';
import rule from '../azure/rule.json' with { type: 'json' };
import table from '../azure/table.json' with { type: 'json' };
import { rowOf } from './rows.ts';

const columns = table.properties.schema.columns;

describe('the templates', () => {
  it('declare every column a row has, once, and no other', () => {
    const names = columns.map(({ name }) => name);
    expect(Object.keys(rowOf(flowJson(flowBatch(1), 0), 'c')).sort()).toEqual([...names].sort());
    expect(new Set(names).size).toBe(names.length);
  });

  it('say the same in the rule: its stream, and the table it makes', () => {
    const [made, flowing] = rule.resources;
    expect(made!.properties.schema).toEqual(table.properties.schema);
    expect(flowing!.properties.streamDeclarations!['Custom-RetinaFlows_CL'].columns).toEqual(
      columns.map(({ name, type }) => ({ name, type })),
    );
  });

  it('are asked in the queries for columns they have', () => {
    const text = readFileSync(new URL('../azure/queries.kql', import.meta.url), 'utf8');
    const known = new Set(columns.map(({ name }) => name));
    const own = new Set([...text.matchAll(/\b([A-Z]\w+) = /g)].map(([, name]) => name!)); // what a query names itself
    const asked = [...text.replace(/\/\/.*|"[^"]*"/g, '').matchAll(/\b[A-Z][a-zA-Z]+\b/g)].map(([name]) => name);
    expect(asked.filter((name) => !known.has(name) && !own.has(name) && name !== 'RetinaFlows_CL')).toEqual([]);
  });
});
