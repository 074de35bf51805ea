export { loadOperatorConfig, type LoadedOperatorConfig, type OperatorConfig, operatorConfigSchema, parseOperatorConfig } from './config.ts'; // prettier-ignore
export { judge, type Judgement, judgeSpec, type State } from './configurations/judge.ts';
export { endpointOfPod, type Owner, type OwnerOf, type PodEndpoint } from './endpoints/endpoint-of-pod.ts';
export { OperatorMetrics } from './metrics.ts';
export { Operator, type OperatorOptions } from './operator.ts';
export type { Instrument } from './registry.ts';
export type { Address } from './server.ts';
export { clusterRules, leaseRules, type PolicyRule, type RightsFor } from './rights.ts';
