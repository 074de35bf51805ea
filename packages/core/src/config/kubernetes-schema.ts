import { z } from 'zod';

const labelSelector = z
  .strictObject({
    matchLabels: z.record(z.string().min(1), z.string()).default({}),
    matchExpressions: z
      .array(
        z
          .strictObject({
            key: z.string().min(1),
            operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
            values: z.array(z.string()).default([]),
          })
          .refine(({ operator, values }) => values.length > 0 === ['In', 'NotIn'].includes(operator), {
            error: 'In and NotIn need values, Exists and DoesNotExist take none',
          }),
      )
      .default([]),
  })
  .optional();

/** The configuration's `kubernetes`. */
export const kubernetesKey = z
  .strictObject({
    enabled: z
      .union([z.boolean(), z.literal('auto')])
      .default('auto')
      .describe('Whether names come from a cluster. `auto`: in a pod of one, or where `kubeconfig` is set.'),
    kubeconfig: z
      .string()
      .min(1)
      .optional()
      .describe(
        "Path of a kubeconfig, relative to the configuration file. Default: the pod's service account, or KUBECONFIG.",
      ),
    context: z.string().min(1).optional().describe("One of the kubeconfig's contexts. Default: its current one."),
    source: z
      .enum(['pods', 'endpoints'])
      .optional()
      .describe(
        'In remote context, where pods of other nodes are read from: the pods themselves, or the RetinaEndpoint objects that the operator keeps. Default: endpoints with enableRetinaEndpoint: true, else pods.',
      ),
    podSelector: labelSelector.describe('Pod-level metrics for pods with these labels only.'),
    namespaceSelector: labelSelector.describe('Pod-level metrics for pods in namespaces with these labels only.'),
  })
  .default({ enabled: 'auto' })
  .describe('Names from a Kubernetes cluster, and which pods are reported.');
