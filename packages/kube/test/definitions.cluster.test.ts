import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as kube from '../src/index.ts';
import { ApiServer, whySkipped } from './api-server.ts';
import { MISTAKES, SAMPLES } from './samples.ts';

const RESOURCES: Record<string, kube.Resource<kube.KubeObject & { spec?: object; status?: object }>> = {
  Capture: kube.CAPTURES,
  MetricsConfiguration: kube.METRICS_CONFIGURATIONS,
  RetinaEndpoint: kube.RETINA_ENDPOINTS,
};

describe.skipIf(whySkipped)(`the definitions (${whySkipped ?? 'real API server'})`, () => {
  let server: ApiServer;
  let client: kube.KubeClient;

  beforeAll(async () => {
    server = await ApiServer.start();
    client = server.client();
    for (const crd of kube.retinaCrds()) await client.apply(kube.CUSTOM_RESOURCE_DEFINITIONS, crd);
    for (const crd of kube.retinaCrds()) {
      const name = crd.metadata.name!;
      for (;;) {
        const { status } = (await client.get(kube.CUSTOM_RESOURCE_DEFINITIONS, { name }))!;
        const is = (type: string) => status?.conditions?.find((condition) => condition.type === type)?.status;
        expect(is('NonStructuralSchema')).not.toBe('True');
        if (is('Established') === 'True') break;
        await sleep(50);
      }
    }
    // Established is said a moment before it is served.
    while (await client.raw('/apis/retina.sh/v1alpha1').then(notAll, () => true)) await sleep(50);
  });
  afterAll(() => server?.stop());

  it.each(SAMPLES)("takes the original's $name, or says why not", async ({ name, kind, spec, refused }) => {
    const applied = client.apply(RESOURCES[kind]!, { metadata: { name }, spec });
    const schema = kube.kubeSchemas[kind as 'Capture'];
    if (refused) {
      await expect(applied).rejects.toThrow(refused);
      expect(schema.safeParse(spec).success).toBe(false);
    } else {
      expect((await applied).spec).toMatchObject(spec); // nothing pruned
      expect(schema.parse(spec)).toMatchObject(spec);
    }
  });

  it.each(MISTAKES.map(([kind, spec, says]) => ({ kind, spec, says })))(
    'refuses a $kind: $says',
    async ({ kind, spec, says }) => {
      const applied = client.apply(RESOURCES[kind]!, { metadata: { name: 'wrong' }, spec }, { dryRun: true });
      await expect(applied).rejects.toMatchObject({ status: 422, message: expect.stringContaining(says) });
      expect(kube.kubeSchemas[kind as 'Capture'].safeParse(spec).success).toBe(false);
    },
  );

  it('fills in what was left out', async () => {
    const [, , rotating] = SAMPLES;
    const at = { namespace: 'default', name: 'defaults' };
    const spec = { ...rotating!.spec, captureConfiguration: { captureTarget: { podNames: ['a'] }, captureOption: {} } };
    const made = await client.create(RESOURCES.Capture!, { metadata: at, spec });
    expect(made.spec).toMatchObject({
      captureConfiguration: { includeMetadata: true, captureOption: { maxCaptureSize: 100 } },
      cleanUpAfterUpload: false,
    });
  });

  it('keeps conditions by type in the status, by whoever sets them', async () => {
    const at = { namespace: 'default', name: 'pod-on-a-node' };
    const condition = (type: string) => ({
      type, status: 'True' as const, reason: 'Done', message: '', lastTransitionTime: new Date().toISOString(),
    }); // prettier-ignore
    for (const type of ['complete', 'error']) {
      const status = { conditions: [condition(type)] };
      await client.apply(kube.CAPTURES, { metadata: at, status }, { subresource: 'status', fieldManager: type });
    }
    const { status } = (await client.get(kube.CAPTURES, at))!;
    expect(status?.conditions?.map(({ type }) => type)).toEqual(['complete', 'error']);
  });

  it('shows what people look for', async () => {
    const rows = async (path: string) => {
      const table = (await server.table(`/apis/retina.sh/v1alpha1/${path}`)) as {
        columnDefinitions: { name: string }[];
        rows: { cells: unknown[] }[];
      };
      return [table.columnDefinitions.map(({ name }) => name), table.rows[0]!.cells];
    };
    const [names, cells] = await rows('namespaces/default/retinaendpoints');
    expect(names!.slice(0, 4)).toEqual(['Name', 'Pod IP', 'Node IP', 'Workload']);
    expect(cells!.slice(0, 4)).toEqual(['web-0', '10.244.0.5', '10.0.0.1', 'web']);
    const { resources } = (await client.raw('/apis/retina.sh/v1alpha1')) as {
      resources: { name: string; shortNames?: string[] }[];
    };
    expect(resources.find(({ name }) => name === 'retinaendpoints')?.shortNames).toContain('ke');
  });
});

function notAll(answer: unknown): boolean {
  return (answer as { resources: { name: string }[] }).resources.filter(({ name }) => !name.includes('/')).length < 3;
}
