import { z } from 'zod';

/** `metav1.LabelSelector`. */
export const labelSelector = z
  .object({
    matchLabels: z.record(z.string(), z.string()).optional().describe('Labels with these values.'),
    matchExpressions: z
      .array(
        z.object({
          key: z.string().describe('Name of a label.'),
          operator: z.string().describe('In, NotIn, Exists or DoesNotExist.'),
          values: z
            .array(z.string())
            .optional()
            .meta({ 'x-kubernetes-list-type': 'atomic' })
            .describe('For In and NotIn.'),
        }),
      )
      .optional()
      .meta({ 'x-kubernetes-list-type': 'atomic' })
      .describe('All of which must hold.'),
  })
  .meta({ 'x-kubernetes-map-type': 'atomic' });
