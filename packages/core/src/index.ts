export * from './config/problem.ts';
export * from './config/schema.ts';
export type * from './host/types.ts';
export * from './config/default.ts';
export { loadConfig, parseConfig, type ConfigSource, type LoadedConfig, type ParsedConfig } from './config/load.ts';
export { checkConfig, type CheckOptions } from './config/check.ts';
export { BUILT_IN } from './host/resolve.ts';
