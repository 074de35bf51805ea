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
  await install({ enablePodLevel: true });
});

describe('what agents may do', () => {
  it.each(['pods', 'nodes', 'services', 'endpointslices.discovery.k8s.io', 'metricsconfigurations.retina.sh'])(
    'they watch %s everywhere',
    async (what) => {
      for (const verb of ['list', 'watch']) expect(await can(AGENT, verb, what, '-A')).toBe(true);
    },
  );

  it('they write nothing', async () => {
    for (const what of ['pods', 'nodes', 'services', 'retinaendpoints.retina.sh', 'metricsconfigurations.retina.sh']) {
      for (const verb of ['create', 'update', 'patch', 'delete'])
        expect(await can(AGENT, verb, what, '-A')).toBe(false);
    }
  });

  it('they see no secrets, no configuration, and what their mode does not need; they enter no pod', async () => {
    const closed = ['secrets', 'configmaps', 'namespaces', 'retinaendpoints.retina.sh', 'replicasets.apps'];
    for (const what of closed) expect(await can(AGENT, 'list', what, '-A')).toBe(false);
    expect(await can(AGENT, 'create', 'pods/exec', '-A')).toBe(false);
    expect(await can(AGENT, 'escalate', 'clusterroles.rbac.authorization.k8s.io')).toBe(false);
  });
});
