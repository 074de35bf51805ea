import { z } from 'zod';

/** `metav1.Condition`s, one of each type, so that `kubectl wait --for=condition=TYPE` works. */
export const conditions = z
  .array(
    z.object({
      type: z.string().max(316).describe('What it is about.'),
      status: z.enum(['True', 'False', 'Unknown']),
      reason: z
        .string()
        .min(1)
        .max(1024)
        .regex(/^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$/)
        .describe('Why, in one word.'),
      message: z.string().max(32768).describe('Why, in full.'),
      lastTransitionTime: z.iso.datetime({ offset: true }).describe('When the status last changed.'),
      observedGeneration: z.int().min(0).optional().describe('Generation of the object that it speaks of.'),
    }),
  )
  .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] })
  .describe('What is known of it.');
