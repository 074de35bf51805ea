export * from './config/problem.ts';
export * from './config/schema.ts';
export type * from './host/types.ts';
export * from './config/default.ts';
export {
  loadConfig,
  metricsConfigurationOf,
  parseConfig,
  type ConfigSource,
  type LoadedConfig,
  type ParsedConfig,
} from './config/load.ts';
export { checkConfig, type CheckOptions } from './config/check.ts';
export { BUILT_IN } from './host/resolve.ts';
export { FlowArchive, type ArchiveOptions, type ArchiveQuery } from './history/archive.ts';
export type { Block } from './history/block.ts';
export { pastFlows, type PastQuery, type PastSources } from './history/query.ts';
export { FLOW_FILTER_KEYS, flowFilter, flowTimes, type FlowFilterKey, type FlowPredicate } from './flows/filter.ts';
export * from './flows/history.ts';
export * from './flows/json.ts';
export {
  type AsideStats,
  FlowPipeline,
  type FlowPipelineOptions,
  type FlowSink,
  type SinkStats,
} from './flows/pipeline.ts';
export type { Selection } from './flows/selection.ts';
export * from './flows/top.ts';
export { formatAddress, parseAddress, parsePrefix, type Prefix } from './identity/address.ts';
export type { EndpointProvider, EndpointSpec } from './identity/endpoint-spec.ts';
export { identityFileSchema, parseIdentity, readIdentityFile } from './identity/file.ts';
export { FileIdentity, type FileIdentityOptions } from './identity/file-provider.ts';
export { LocalIdentity, type LocalIdentityOptions, type LocalNetwork } from './identity/local.ts';
export type { EndpointListener } from './identity/directory.ts';
export { EndpointTable, type EndpointTableOptions } from './identity/table.ts';
export { bucketProblem } from './metrics/declare.ts';
export { LabelDomain, LabelTable, OVERFLOW_LABEL, UNKNOWN_LABEL } from './metrics/labels.ts';
export type { PodMetricsConfig } from './metrics/pod-options.ts';
export { MetricStore, type MetricStoreOptions, type OpenMetrics } from './metrics/store.ts';
export { Host } from './host/host.ts';
export { catchStrays, causedByComponent } from './host/strays.ts';
export { ConfigWatcher, type WatchOptions } from './config/watch.ts';
export {
  doctor,
  type DoctorComponent,
  type DoctorOptions,
  type DoctorReport,
  type Finding,
} from './manifest/doctor.ts';
export { findManifest } from './manifest/find.ts';
export { admit, type AdmitOptions } from './manifest/admit.ts';
export { type InstalledComponent, installedComponents, type InstalledOptions } from './manifest/installed.ts';
export { readManifest } from './manifest/read.ts';
