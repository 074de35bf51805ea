export * from './client.ts';
export * from './socket.ts';
export type * from './types.ts';
