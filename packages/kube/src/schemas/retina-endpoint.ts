import { z } from 'zod';

const text = z.string();

/** What RetinaEndpoint's `spec` holds: a pod as every agent sees it in remote context. */
export const retinaEndpointSpec = z
  .object({
    containers: z
      .array(z.object({ name: text.optional(), id: text.optional() }))
      .optional()
      .describe('Its containers, with the ids the runtime gave them.'),
    ownerReferences: z
      .array(z.object({ apiVersion: text.optional(), kind: text.optional(), name: text.optional() }))
      .optional()
      .describe('Its workloads, such as a Deployment.'),
    nodeIP: text.optional().describe('Address of the node it runs on.'),
    podIP: text.optional().describe('Its first address.'),
    podIPs: z.array(text).optional().describe('All of its addresses.'),
    labels: z.record(z.string(), text).optional().describe("The pod's labels."),
    annotations: z.record(z.string(), text).optional().describe("The pod's annotations."),
  })
  .describe('A pod as agents see it; the operator keeps it in line with the pod.');
