export * from './agent/index.ts';
export * from './contract/index.ts';
export * from './export/index.ts';
export * from './packed/index.ts';
export * from './packets/index.ts';
export * from './replay/index.ts';
export * from './traffic/index.ts';
export * from './world/index.ts';
