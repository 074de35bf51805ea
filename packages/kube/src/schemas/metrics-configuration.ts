import { z } from 'zod';

const names = z.array(z.string());

const contextOption = z.object({
  metricName: z.string().describe('Pod-level family, such as forward_count.'),
  sourceLabels: names.optional().describe('Labels of the source; in local context of the endpoint itself.'),
  destinationLabels: names.optional().describe('Labels of the destination, in remote context.'),
  additionalLabels: names.optional().describe('Further labels.'),
  ttl: z.string().optional().describe('Time without a sample after which a series ends.'),
});

/** What MetricsConfiguration's `spec` holds. */
export const metricsConfigurationSpec = z.object({
  contextOptions: z.array(contextOption).describe('Which pod-level families there are, and with which labels.'),
  namespaces: z
    .object({ include: names.optional(), exclude: names.optional() })
    .describe('Namespaces whose endpoints are reported.'),
});
