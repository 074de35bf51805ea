export * from './namespace.ts';
export * from './node.ts';
export * from './run.ts';
export * from './world.ts';
