import { API, RetinaError, type Manifest } from '@retina/sdk';
import { z } from 'zod';

/** As far as tools rely on it: what a later version adds passes. */
const manifestSchema = z.looseObject({
  manifest: z.literal(1),
  kind: z.enum(['plugin', 'exporter']),
  name: z.string().regex(/^[a-z0-9-]{1,100}$/),
  package: z.string().optional(),
  version: z.string().optional(),
  api: z.int(),
  description: z.string().max(1000),
  stability: z.enum(['experimental', 'beta', 'stable']),
  platforms: z.array(z.enum(['linux', 'win32'])),
  needs: z.looseObject({
    capabilities: z.array(z.string().regex(/^[A-Z_]{1,40}$/)),
    kernel: z.string().regex(/^\d{1,3}\.\d{1,3}$/).optional(),
    btf: z.boolean().optional(),
    mounts: z.array(z.string().regex(/^\/[^\s,:'"]*$/)).optional(),
    hostPid: z.boolean().optional(),
  }),
  config: z.record(z.string(), z.unknown()),
  metrics: z.record(z.string(), z.looseObject({ kind: z.enum(['counter', 'gauge', 'histogram']), help: z.string() })),
}); // prettier-ignore

/**
 * The text of a `dist/retina.json`, which may come from anywhere. Throws RETINA_API_MISMATCH for one of another contract, and
 * RETINA_PLUGIN_INVALID, with what is wrong, for anything else that is none.
 */
export function readManifest(text: string, from: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw invalid(from, (cause as Error).message, cause);
  }
  const { api, name } = (json ?? {}) as Partial<Manifest>;
  if (Number.isInteger(api) && api !== API) {
    throw new RetinaError('RETINA_API_MISMATCH', `${from} was written for another version of the contract`, {
      found: `api ${api} in ${JSON.stringify(name)}`,
      needed: `api ${API}`,
      next: api! > API ? 'update the agent' : 'ask its author for a newer version, or take an older agent',
    });
  }
  const read = manifestSchema.safeParse(json);
  if (read.success) return json as Manifest;
  throw invalid(from, read.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
}

function invalid(from: string, found: string, cause?: unknown): RetinaError {
  return new RetinaError('RETINA_PLUGIN_INVALID', `${from} has no manifest that can be read`, {
    found,
    needed: 'dist/retina.json, as retina-manifest writes it',
    next: 'build the package with "tsup && retina-manifest"',
    cause,
  });
}
