import type { CustomResourceDefinition } from './objects.ts';
import { captureSpec } from './schemas/capture.ts';
import { metricsConfigurationSpec } from './schemas/metrics-configuration.ts';
import { retinaEndpointSpec } from './schemas/retina-endpoint.ts';

/** The `spec` of each of Retina's kinds as a zod schema. */
export const kubeSchemas = {
  Capture: captureSpec,
  MetricsConfiguration: metricsConfigurationSpec,
  RetinaEndpoint: retinaEndpointSpec,
} as const;

/** The definitions of Retina's kinds, to be applied. */
export function retinaCrds(): CustomResourceDefinition[] {
  throw new Error('soon');
}
