import { readFile } from 'node:fs/promises';
import { RetinaError } from '@retina/sdk';
import { z } from 'zod';
import { type ConfigProblem, formatProblem, show } from '../config/problem.ts';
import { ConfigText } from '../config/source.ts';
import { validate } from '../config/validate.ts';
import { formatAddress, parseAddress } from './address.ts';
import type { EndpointSpec } from './endpoint-spec.ts';

const text = z.string().min(1);

/** An identity file: who is behind which addresses. YAML or JSON. */
export const identityFileSchema = z.strictObject({
  endpoints: z.array(
    z.strictObject({
      addresses: z
        .array(z.string().refine((a) => parseAddress(a) !== undefined, { error: 'is no IPv4 or IPv6 address' }))
        .min(1),
      namespace: z.string().default(''),
      name: text,
      workload: z.strictObject({ kind: text, name: text }).optional(),
      labels: z.record(z.string(), z.string()).default({}),
      service: z.string().optional(),
      node: z.string().optional(),
      zone: z.string().optional(),
    }),
  ),
});

/**
 * Endpoints of an identity file.
 * @throws RETINA_IDENTITY_INVALID with every mistake in `detail`, one per line.
 */
export async function readIdentityFile(file: string): Promise<EndpointSpec[]> {
  let content: string;
  try {
    content = await readFile(file, 'utf8');
  } catch (error) {
    throw new RetinaError('RETINA_IDENTITY_INVALID', `the identity file ${file} cannot be read`, {
      found: error instanceof Error ? error.message : String(error),
      next: 'check identity.file and the rights of the file',
      cause: error,
    });
  }
  return parseIdentity(content, file);
}

/** The same from a text. `file` is its name in messages. */
export function parseIdentity(content: string, file = 'identity'): EndpointSpec[] {
  const source = new ConfigText(content);
  const problems: ConfigProblem[] = [...source.problems];
  const parsed = problems.length ? undefined : validate(identityFileSchema, source.value, source, [], problems);
  const endpoints = parsed?.endpoints ?? [];
  const owners = new Map<string, number>();
  endpoints.forEach((endpoint, i) => {
    endpoint.addresses.forEach((address, j) => {
      const canonical = formatAddress(parseAddress(address)!);
      const other = owners.get(canonical);
      if (other === undefined) owners.set(canonical, i);
      else {
        const where = source.where(['endpoints', i, 'addresses', j]);
        problems.push({ ...where, message: `is an address of endpoints[${other}] already`, found: show(address) });
      }
    });
  });
  if (problems.length > 0) {
    const lines = problems.map((problem) => formatProblem(problem, file));
    const count = `${problems.length} ${problems.length === 1 ? 'mistake' : 'mistakes'}`;
    throw new RetinaError('RETINA_IDENTITY_INVALID', `the identity file ${file} has ${count}`, {
      found: lines.map((line) => line.trim()).join(' | '),
      next: 'correct the file; it is read again when it changes',
      detail: lines.join('\n'),
    });
  }
  const names = new Map<string, number>();
  const same = interner();
  return endpoints.map(({ workload, service, node, zone, ...endpoint }) => {
    // Two entries may carry one name (a pod with an address each): both stay, told apart by their order.
    const name = `${endpoint.namespace}/${endpoint.name}`;
    const turn = names.get(name) ?? 0;
    names.set(name, turn + 1);
    return {
      key: `${name}#${turn}`,
      kind: 'pod',
      namespace: same(endpoint.namespace),
      name: same(endpoint.name),
      addresses: endpoint.addresses,
      labels: Object.fromEntries(Object.entries(endpoint.labels).map(([key, value]) => [same(key), same(value)])),
      workloads: workload ? [{ kind: same(workload.kind), name: same(workload.name) }] : [],
      ...(service !== undefined && { service: same(service) }),
      ...(node !== undefined && { node: same(node) }),
      ...(zone !== undefined && { zone: same(zone) }),
    };
  });
}

/** Equal texts as one, and none of them a slice that would keep the whole file in memory. */
function interner(): (text: string) => string {
  const known = new Map<string, string>();
  return (text) => {
    let one = known.get(text);
    if (one === undefined) known.set((one = Buffer.from(text).toString()), one);
    return one;
  };
}
