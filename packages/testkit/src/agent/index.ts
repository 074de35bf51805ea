export * from './agent-process.ts';
export * from './metric-text.ts';
export * from './plugin-host.ts';
export * from './usage.ts';
