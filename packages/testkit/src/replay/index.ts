export { isRequest } from './netlink-recording.ts';
export * from './play-plugin.ts';
export * from './recorder.ts';
export * from './recording.ts';
export * from './replay.ts';
export * from './run-plugin.ts';
export type { ReplayObject } from './replay-object.ts';
