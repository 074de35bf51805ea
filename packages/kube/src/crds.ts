import type { CustomResourceDefinition } from './objects.ts';
import { captureSpec, captureStatus } from './schemas/capture.ts';
import { metricsConfigurationSpec, metricsConfigurationStatus } from './schemas/metrics-configuration.ts';
import { retinaEndpointSpec } from './schemas/retina-endpoint.ts';
import { structural } from './structural.ts';

/** The `spec` of each of Retina's kinds as a zod schema. */
export const kubeSchemas = {
  Capture: captureSpec,
  MetricsConfiguration: metricsConfigurationSpec,
  RetinaEndpoint: retinaEndpointSpec,
} as const;

interface Column {
  readonly name: string;
  readonly jsonPath: string;
  readonly type: 'string' | 'integer' | 'date';
  readonly description?: string;
  /** 1: only with `-o wide`. */
  readonly priority?: number;
}

const AGE: Column = { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' };

/** The definitions of Retina's kinds, to be applied: what `crds/` holds. */
export function retinaCrds(): CustomResourceDefinition[] {
  return [
    definition('Capture', 'captures', ['rcap'], 'Namespaced', {
      description: 'Capture captures packets on nodes or of pods, and stores them.',
      spec: structural(captureSpec),
      status: structural(captureStatus),
      required: ['spec'],
      columns: [
        { name: 'Complete', type: 'string', jsonPath: '.status.conditions[?(@.type=="complete")].status' },
        { name: 'Active', type: 'integer', jsonPath: '.status.active' },
        { name: 'Succeeded', type: 'integer', jsonPath: '.status.succeeded' },
        { name: 'Failed', type: 'integer', jsonPath: '.status.failed' },
        {
          name: 'Duration',
          type: 'string',
          jsonPath: '.spec.captureConfiguration.captureOption.duration',
          priority: 1,
        },
        { name: 'Error', type: 'string', jsonPath: '.status.conditions[?(@.type=="error")].message', priority: 1 },
        AGE,
      ],
    }),
    definition('MetricsConfiguration', 'metricsconfigurations', ['rmc'], 'Cluster', {
      description: 'MetricsConfiguration says which pod-level metrics agents have. One is in force at a time.',
      spec: structural(metricsConfigurationSpec),
      status: structural(metricsConfigurationStatus),
      required: ['spec'],
      columns: [
        { name: 'State', type: 'string', jsonPath: '.status.state' },
        { name: 'Reason', type: 'string', jsonPath: '.status.reason' },
        AGE,
      ],
    }),
    definition('RetinaEndpoint', 'retinaendpoints', ['ke', 'rep'], 'Namespaced', {
      description:
        'RetinaEndpoint is a pod as agents see it in remote context. The operator writes it; nobody else need.',
      spec: structural(retinaEndpointSpec),
      status: { description: 'Nothing so far.', type: 'object' },
      columns: [
        { name: 'Pod IP', type: 'string', jsonPath: '.spec.podIP' },
        { name: 'Node IP', type: 'string', jsonPath: '.spec.nodeIP' },
        { name: 'Workload', type: 'string', jsonPath: '.spec.ownerReferences[0].name' },
        { name: 'Pod IPs', type: 'string', jsonPath: '.spec.podIPs', priority: 1 },
        { name: 'Referenced By', type: 'string', jsonPath: '.spec.ownerReferences', priority: 1 },
        AGE,
      ],
    }),
  ];
}

function definition(
  kind: string,
  plural: string,
  shortNames: readonly string[],
  scope: 'Namespaced' | 'Cluster',
  parts: {
    readonly description: string;
    readonly spec: object;
    readonly status: object;
    readonly required?: readonly string[];
    readonly columns: readonly Column[];
  },
): CustomResourceDefinition {
  const { description, spec, status, required, columns } = parts;
  const reference = (what: string) => ({ description: what, type: 'string' });
  const openAPIV3Schema = {
    description,
    type: 'object',
    properties: {
      apiVersion: reference('Version of the schema of this object.'),
      kind: reference('Kind of this object.'),
      metadata: { type: 'object' },
      spec,
      status,
    },
    ...(required ? { required } : {}),
  };
  const version = { name: 'v1alpha1', served: true, storage: true, schema: { openAPIV3Schema } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.retina.sh`, labels: { 'app.kubernetes.io/part-of': 'retina' } },
    spec: {
      group: 'retina.sh',
      scope,
      names: {
        kind,
        listKind: `${kind}List`,
        plural,
        singular: kind.toLowerCase(),
        shortNames,
        categories: ['retina'],
      },
      versions: [{ ...version, additionalPrinterColumns: columns, subresources: { status: {} } }],
    },
  };
}
