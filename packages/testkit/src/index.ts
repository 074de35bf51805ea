export * from './packets/index.ts';
export * from './world/index.ts';
