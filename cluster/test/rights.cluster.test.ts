import { beforeAll, describe, expect, it } from 'vitest';
import { install, kubectl, NAMESPACE } from '../src/cluster.ts';

const AGENT = `system:serviceaccount:${NAMESPACE}:retina-agent`;

async function can(as: string, verb: string, what: string, ...where: readonly string[]): Promise<boolean> {
  // Exit code 1 says no.
  return kubectl('auth', 'can-i', verb, what, '--as', as, ...where).then(
    (answer) => answer.trim() === 'yes',
    (error: Error) => {
      if (/exit code 1\n[^]*^no$/m.test(error.message)) return false;
      throw error;
    },
  );
}

beforeAll(async () => {
  await install({});
});

describe('what agents may do', () => {
  it.each(['pods', 'nodes', 'namespaces', 'services', 'endpointslices.discovery.k8s.io', 'replicasets.apps'])(
    'they watch %s everywhere',
    async (what) => {
      for (const verb of ['get', 'list', 'watch']) expect(await can(AGENT, verb, what, '-A')).toBe(true);
    },
  );

  it('they write nothing', async () => {
    for (const what of ['pods', 'nodes', 'services', 'retinaendpoints.retina.sh', 'metricsconfigurations.retina.sh']) {
      for (const verb of ['create', 'update', 'patch', 'delete'])
        expect(await can(AGENT, verb, what, '-A')).toBe(false);
    }
  });

  it('they see no secrets and no configuration but their own mount, and enter no pod', async () => {
    for (const what of ['secrets', 'configmaps']) {
      for (const verb of ['get', 'list', 'watch']) expect(await can(AGENT, verb, what, '-A')).toBe(false);
    }
    expect(await can(AGENT, 'create', 'pods/exec', '-A')).toBe(false);
    expect(await can(AGENT, 'escalate', 'clusterroles.rbac.authorization.k8s.io')).toBe(false);
  });
});
