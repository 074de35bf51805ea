import type { z } from 'zod';
import type { Condition, KubeObject } from './objects.ts';
import { resource } from './resource.ts';
import type { captureSpec } from './schemas/capture.ts';
import type { metricsConfigurationSpec } from './schemas/metrics-configuration.ts';
import type { retinaEndpointSpec } from './schemas/retina-endpoint.ts';

export type CaptureSpec = z.input<typeof captureSpec>;
export type MetricsConfigurationSpec = z.input<typeof metricsConfigurationSpec>;
export type RetinaEndpointSpec = z.input<typeof retinaEndpointSpec>;

export interface Capture extends KubeObject {
  readonly spec: CaptureSpec;
  readonly status?: {
    readonly conditions?: readonly Condition[];
    readonly startTime?: string;
    readonly completionTime?: string;
    readonly active?: number;
    readonly succeeded?: number;
    readonly failed?: number;
  };
}

export interface MetricsConfiguration extends KubeObject {
  readonly spec: MetricsConfigurationSpec;
  readonly status?: {
    readonly state?: 'Initialized' | 'Accepted' | 'Errored' | 'Warning';
    readonly reason?: string;
    readonly lastKnownSpec?: MetricsConfigurationSpec;
    readonly conditions?: readonly Condition[];
  };
}

export interface RetinaEndpoint extends KubeObject {
  readonly spec: RetinaEndpointSpec;
}

export const CAPTURES = resource<Capture>('retina.sh', 'v1alpha1', 'captures', 'Capture');
export const METRICS_CONFIGURATIONS = resource<MetricsConfiguration>(
  'retina.sh',
  'v1alpha1',
  'metricsconfigurations',
  'MetricsConfiguration',
  false,
);
export const RETINA_ENDPOINTS = resource<RetinaEndpoint>('retina.sh', 'v1alpha1', 'retinaendpoints', 'RetinaEndpoint');
