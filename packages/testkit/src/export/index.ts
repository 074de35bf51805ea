export * from './certificates.ts';
export * from './cost.ts';
export * from './family.ts';
export * from './flow-load.ts';
export * from './run-exporter.ts';
