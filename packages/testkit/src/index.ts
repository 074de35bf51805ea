export * from './packets/index.ts';
export * from './world/index.ts';
export * from './traffic/index.ts';
