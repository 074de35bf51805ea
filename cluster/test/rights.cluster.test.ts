import { beforeAll, describe, expect, it } from 'vitest';
import { install, kubectl, NAMESPACE } from '../src/cluster.ts';

const AGENT = `system:serviceaccount:${NAMESPACE}:retina-agent`;
const OPERATOR = `system:serviceaccount:${NAMESPACE}:retina-operator`;

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
  await install({ enablePodLevel: true, operator: { enabled: true } });
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

describe('what the operator may do', () => {
  it('it reports the status of MetricsConfigurations, and installs its own definitions', async () => {
    expect(await can(OPERATOR, 'patch', 'metricsconfigurations.retina.sh', '--subresource=status', '-A')).toBe(true);
    expect(await can(OPERATOR, 'patch', 'customresourcedefinitions.apiextensions.k8s.io/captures.retina.sh')).toBe(
      true,
    );
    expect(await can(OPERATOR, 'patch', 'customresourcedefinitions.apiextensions.k8s.io/others.example.com')).toBe(
      false,
    );
    expect(await can(OPERATOR, 'create', 'leases.coordination.k8s.io', '-n', NAMESPACE)).toBe(true);
    expect(await can(OPERATOR, 'create', 'leases.coordination.k8s.io', '-n', 'default')).toBe(false);
  });

  it('it sees no secrets, runs nothing, and without remote context sees no pods', async () => {
    for (const verb of ['get', 'list', 'create']) expect(await can(OPERATOR, verb, 'secrets', '-A')).toBe(false);
    for (const what of ['pods', 'daemonsets.apps', 'jobs.batch']) {
      for (const verb of ['list', 'create', 'delete']) expect(await can(OPERATOR, verb, what, '-A')).toBe(false);
    }
  });
});
