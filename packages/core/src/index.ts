export * from './config/problem.ts';
export * from './config/schema.ts';
export type * from './host/types.ts';
