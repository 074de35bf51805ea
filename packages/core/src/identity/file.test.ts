import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RetinaError } from '@retina/sdk';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseAddress } from './address.ts';
import { FileIdentity } from './file-provider.ts';
import { parseIdentity } from './file.ts';
import { EndpointTable } from './table.ts';

const GOOD = `
endpoints:
  - addresses: [10.0.0.1, "fd00::1"]
    namespace: shop
    name: web-1
    workload: {kind: Deployment, name: web}
    labels: {app: web}
    node: node-1
    zone: z1
  - {addresses: [10.0.0.2], name: bare}
`;

function failure(text: string): RetinaError {
  try {
    parseIdentity(text, 'identity.yaml');
  } catch (error) {
    return error as RetinaError;
  }
  throw new Error('was accepted');
}

describe('an identity file', () => {
  it('gives endpoints, from YAML and from JSON', () => {
    const [web, bare] = parseIdentity(GOOD);
    expect(web).toMatchObject({
      kind: 'pod',
      namespace: 'shop',
      name: 'web-1',
      workloads: [{ kind: 'Deployment', name: 'web' }],
      labels: { app: 'web' },
      node: 'node-1',
      zone: 'z1',
    });
    expect(bare).toMatchObject({ namespace: '', name: 'bare', workloads: [], addresses: ['10.0.0.2'] });
    expect(parseIdentity('{"endpoints": [{"addresses": ["::1"], "name": "x"}]}')).toHaveLength(1);
  });

  it('is refused with every mistake, its place, and the key that was meant', () => {
    const error = failure(`
endpoints:
  - addresses: [10.0.0.300]
    nmae: web
  - addresses: []
    name: x
    workload: {kind: Deployment}
  - addresses: [10.0.0.1, "::ffff:10.0.0.1"]
    name: y
`);
    expect(error.code).toBe('RETINA_IDENTITY_INVALID');
    const lines = error.detail!.split('\n');
    expect(lines.find((l) => l.includes('endpoints[0].addresses[0]'))).toContain(
      'is no IPv4 or IPv6 address; found: "10.0.0.300"',
    );
    expect(lines.find((l) => l.includes('endpoints[0].nmae'))).toMatch(
      /identity\.yaml:4:.*unknown key.*did you mean name\?/,
    );
    expect(lines.find((l) => l.includes('endpoints[0].name'))).toContain('missing');
    expect(lines.find((l) => l.includes('endpoints[1].addresses'))).toContain('at least 1');
    expect(lines.find((l) => l.includes('endpoints[1].workload.name'))).toContain('missing');
  });

  it('may not name one address twice, however it is written', () => {
    expect(
      failure('endpoints: [{addresses: [10.0.0.1], name: a}, {addresses: ["::ffff:a00:1"], name: b}]').detail,
    ).toContain('endpoints[1].addresses[0]: is an address of endpoints[0] already');
    expect(failure('endpoints: [').message).toContain('no valid YAML');
    expect(failure('- a').message).toContain('must be a mapping');
  });
});

describe('FileIdentity', () => {
  let folder: string;
  let file: string;
  let table: EndpointTable;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'core-data-identity-'));
    file = join(folder, 'identity.yaml');
    table = new EndpointTable({ lingerMs: 0 });
  });
  afterEach(() => rm(folder, { recursive: true }));
  const nameOf = (address: string) => {
    table.sweep();
    return table.byAddress(parseAddress(address)!).name;
  };
  const entry = (name: string) => `endpoints: [{addresses: [10.0.0.1], name: ${name}}]\n`;

  it('follows edits in place and by rename; a file with mistakes leaves the names and says so', async () => {
    await writeFile(file, entry('one'));
    const states: (string | undefined)[] = [];
    using identity = new FileIdentity({ table, file, onState: (problem) => states.push(problem?.code) });
    await identity.reload();
    expect(nameOf('10.0.0.1')).toBe('one');

    await writeFile(file, entry('two'));
    await vi.waitFor(() => expect(nameOf('10.0.0.1')).toBe('two'), 2_000);

    await writeFile(join(folder, 'next'), entry('three'));
    await rename(join(folder, 'next'), file);
    await vi.waitFor(() => expect(nameOf('10.0.0.1')).toBe('three'), 2_000);

    await writeFile(file, 'endpoints: [{addresses: [x], name: four}]');
    await vi.waitFor(() => expect(identity.problem?.code).toBe('RETINA_IDENTITY_INVALID'), 2_000);
    expect(nameOf('10.0.0.1')).toBe('three');

    await writeFile(file, entry('five'));
    await vi.waitFor(() => expect(nameOf('10.0.0.1')).toBe('five'), 2_000);
    expect(states).toEqual(['RETINA_IDENTITY_INVALID', undefined]);
  });

  it('waits for a file that is not there yet, and ends its names when disposed of', async () => {
    const late = join(folder, 'late.yaml');
    {
      using identity = new FileIdentity({ table, file: late, pollMs: 50 });
      await identity.reload();
      expect(identity.problem?.message).toContain('cannot be read');
      await writeFile(late, entry('late'));
      await vi.waitFor(() => expect(nameOf('10.0.0.1')).toBe('late'), 2_000);
    }
    expect(nameOf('10.0.0.1')).toBe('');
  });
});
