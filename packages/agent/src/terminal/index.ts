export * from './table.ts';
export * from './text.ts';
export * from './live.ts';
export * from './screen.ts';
